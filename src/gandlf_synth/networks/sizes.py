"""Sizes that suit a network: those between an image and its coarsest features, and those that a stride divides."""

from collections.abc import Sequence
from math import log2

from torch import Tensor
from torch.nn import functional

_COARSEST = 4


def resolutions(shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the sizes between an image and its coarsest features, ``ceil(shape / 2^k)``, finest first.

    The last has 4 to 7 voxels along the longest side, and there are at least two. No size has to be a power of two.

    Example:
        >>> resolutions((33, 17))
        [(33, 17), (17, 9), (9, 5), (5, 3)]
    """
    halvings = max(1, int(log2(max(1, max(shape) / _COARSEST))))
    return [tuple(-(-size // 2**level) for size in shape) for level in range(halvings + 1)]


def padded_shape(shape: Sequence[int], multiple: int) -> tuple[int, ...]:
    """Return ``shape`` with every size raised to the next ``multiple``.

    Example:
        >>> padded_shape((10, 12, 9), 4)
        (12, 12, 12)
    """
    return tuple(size + -size % multiple for size in shape)


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Return ``images (batch, channels, *shape)``, every axis filled up with its last value to a ``multiple``."""
    return pad(images, padded_shape(images.shape[2:], multiple))


def pad(images: Tensor, shape: Sequence[int]) -> Tensor:
    """Return ``images (batch, channels, *smaller)`` at ``shape``, every axis filled up with its last value at its end.

    Example:
        >>> import torch
        >>> pad(torch.tensor([[[[1.0, 2.0]]]]), (1, 4)).tolist()
        [[[[1.0, 2.0, 2.0, 2.0]]]]
    """
    missing = [new - old for new, old in zip(shape, images.shape[2:], strict=True)]
    widths = [extra for each in reversed(missing) for extra in (0, each)]
    return functional.pad(images, widths, mode="replicate") if any(widths) else images


def crop(images: Tensor, shape: Sequence[int]) -> Tensor:
    """Return ``images (batch, channels, *larger)`` without what exceeds ``shape`` at the end of each axis.

    Example:
        >>> import torch
        >>> images = torch.randn(2, 3, 9, 7)
        >>> torch.equal(crop(pad_to_multiple(images, 4), (9, 7)), images)
        True
    """
    inside: tuple[slice, ...] = (slice(None), slice(None), *(slice(size) for size in shape))
    return images[inside]
