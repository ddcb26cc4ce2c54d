"""What autoencoders share: images of any size in and out, and one window at a time where memory is short."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from monai.inferers import sliding_window_inference
from torch import Tensor
from torch.nn import functional


@runtime_checkable
class FirstStage(Protocol):
    """An autoencoder that a generative model of latents can build on."""

    @property
    @abstractmethod
    def latent_shape(self) -> tuple[int, ...]:
        """``(latent channels, *latent size)`` of one image of the data's shape."""

    @abstractmethod
    def encode_mean(self, images: Tensor) -> Tensor:
        """Return the latents ``(batch, *latent_shape)`` of ``images (batch, channels, *shape)``, without noise."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Return the images ``(batch, channels, *shape)`` of ``latents (batch, *latent_shape)``."""


def padded(images: Tensor, multiple: int) -> Tensor:
    """Return ``images (batch, channels, *shape)``, every axis filled up with its last value to a ``multiple``."""
    widths = [extra for size in reversed(images.shape[2:]) for extra in (0, -size % multiple)]
    return functional.pad(images, widths, mode="replicate") if any(widths) else images


def cropped(images: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the part of ``images (batch, channels, *larger)`` that ``padded`` was given."""
    inside: tuple[slice, ...] = (slice(None), slice(None), *(slice(size) for size in shape))
    return images[inside]


def padded_shape(shape: Sequence[int], multiple: int) -> tuple[int, ...]:
    """Return the size to which ``padded`` brings ``shape``."""
    return tuple(size + -size % multiple for size in shape)


def tiled(function: Callable[[Tensor], Tensor], values: Tensor, tile: Sequence[int] | None, overlap: float) -> Tensor:
    """Return ``function(values)``, computed window by window where ``values`` is larger than a window.

    Overlapping windows are blended with Gaussian weights. What a network computes from the whole field of view at
    once (group normalisation, attention) then comes from the window, so that results differ a little from the whole;
    a network that sees only neighbours gives equal values wherever a window's border is out of sight.

    Args:
        function: maps ``(batch, channels, *window)`` to another number of channels or a whole multiple or fraction of
            the size.
        values: ``(batch, channels, *size)``.
        tile: the size of a window; None: no windows.
        overlap: share of a window that the next one repeats.
    """
    if tile is None or all(size <= window for size, window in zip(values.shape[2:], tile, strict=True)):
        return function(values)
    window = tuple(min(pair) for pair in zip(tile, values.shape[2:], strict=True))
    result: Tensor = sliding_window_inference(values, window, 1, function, overlap=overlap, mode="gaussian")
    return result
