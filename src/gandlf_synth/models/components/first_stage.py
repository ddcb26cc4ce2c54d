"""What autoencoders share: they reconstruct, and a generative model of their latents can build on them."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from monai.inferers import sliding_window_inference
from torch import Tensor

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.models.components.multi_optimizer import MultiOptimizerModule
from gandlf_synth.models.components.reconstruction_config import ReconstructionConfig
from gandlf_synth.models.components.reconstruction_loss import ReconstructionLoss

R = TypeVar("R", bound=ReconstructionConfig)


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
        """Return the images ``(batch, channels, *shape)`` of ``latents (batch, *latent_shape)``, in 32 bits."""


class AutoencoderModule(MultiOptimizerModule[R]):
    """The base of the families that encode and decode; a ``FirstStage`` as soon as a subclass has ``latent_shape``.

    A subclass sets ``criterion`` and says how it trains and what it measures on a split.
    """

    criterion: ReconstructionLoss

    @abstractmethod
    def encode_mean(self, images: Tensor) -> Tensor:
        """Return the latents ``(batch, *latent_shape)`` of ``images (batch, channels, *shape)``, without noise."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """Return the images ``(batch, channels, *shape)`` of ``latents (batch, *latent_shape)``, in 32 bits."""

    @abstractmethod
    def evaluation_loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch without anything random, so that epochs can be compared; a scalar."""

    def check_components(self) -> None:
        """Build what training needs once, the perceptual term too; see ``GenerativeModule.check_components``."""
        super().check_components()
        self.criterion.check()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss on the validation split."""
        self.log_loss("val", self.evaluation_loss(batch), batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss on the test split."""
        self.log_loss("test", self.evaluation_loss(batch), batch)

    def reconstruct(self, images: Tensor, condition: Condition) -> Tensor:
        """Return ``images (batch, channels, *shape)`` encoded without noise and decoded, in [-1, 1]."""
        return self.decode(self.encode_mean(images)).clamp(-1, 1)


def apply_in_windows(
    function: Callable[[Tensor], Tensor], values: Tensor, window: Sequence[int] | None, overlap: float
) -> Tensor:
    """Return ``function(values)``, computed window by window where ``values`` is larger than a window.

    Overlapping windows are blended with Gaussian weights. What a network computes from the whole field of view at
    once (group normalization, attention) then comes from the window, so that results differ a little from the whole;
    a network that sees only neighbors gives equal values wherever a window's border is out of sight.

    Args:
        function: maps ``(batch, channels, *window)`` to another number of channels or a whole multiple or fraction of
            the size.
        values: ``(batch, channels, *size)``.
        window: the size of a window; None: no windows.
        overlap: share of a window that the next one repeats.

    Example:
        >>> import torch
        >>> volume = torch.randn(1, 1, 24, 24, 24)
        >>> doubled = apply_in_windows(lambda part: 2 * part, volume, window=[16, 16, 16], overlap=0.25)
        >>> torch.allclose(doubled, 2 * volume, atol=1e-5)
        True
    """
    if window is None or all(size <= side for size, side in zip(values.shape[2:], window, strict=True)):
        return function(values)
    fitting = tuple(min(pair) for pair in zip(window, values.shape[2:], strict=True))
    result: Tensor = sliding_window_inference(values, fitting, 1, function, overlap=overlap, mode="gaussian")
    return result
