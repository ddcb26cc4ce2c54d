"""Convolutions of images that are smaller than their kernel, in 32 bits: processors get their gradients wrong in 16.

In bfloat16 oneDNN's gradient of the weights is then infinite, not a number or arbitrary, and memory may be damaged
(torch 2.13, processors with AVX512-bf16): kernels of 4 on 3 voxels, as in the last layers of a discriminator of patches
of 32×32×32 volumes, kernels of 3 on 2 voxels, such as those of two thick slices.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def needs_32_bits(features: Tensor, kernel: Sequence[int]) -> bool:
    """Say whether a processor is to convolve ``features (batch, channels, *spatial)`` in 16 bits and cannot.

    Args:
        features: that are convolved.
        kernel: its side along each axis, gaps of a dilated one included.

    Example:
        >>> with torch.autocast("cpu", torch.bfloat16):
        ...     [needs_32_bits(torch.zeros(1, 1, depth, 8, 8), (3, 3, 3)) for depth in (2, 3)]
        [True, False]
    """
    if features.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return False
    return any(size < side for size, side in zip(features.shape[2:], kernel, strict=True))


def guard_small_images(module: nn.Module) -> None:
    """Let every convolution of ``module`` choose 32 bits by itself; weights and their names stay as they are.

    Example:
        >>> network = nn.Sequential(nn.Conv3d(1, 2, kernel_size=4, padding=1))
        >>> guard_small_images(network)
        >>> with torch.autocast("cpu", torch.bfloat16):
        ...     [network(torch.zeros(1, 1, side, side, side)).dtype for side in (3, 4)]
        [torch.float32, torch.bfloat16]
    """
    for part in module.modules():
        part.__class__ = _GUARDED.get(type(part), type(part))


class _Guarded:
    """Goes before a class of convolutions."""

    def forward(self, features: Tensor, *more: Any) -> Tensor:
        convolve: Any = super().forward  # type: ignore[misc]
        output: Tensor
        if not torch.is_autocast_enabled("cpu") or not needs_32_bits(features, _extent(self)):
            output = convolve(features, *more)
            return output
        with torch.autocast("cpu", enabled=False):
            output = convolve(features.float(), *more)
        return output


def _extent(layer: Any) -> list[int]:
    """Return the side of a layer's kernel along each axis, with the gaps of a dilated one."""
    return [gap * (side - 1) + 1 for side, gap in zip(layer.kernel_size, layer.dilation, strict=True)]


class _Conv2d(_Guarded, nn.Conv2d): ...


class _Conv3d(_Guarded, nn.Conv3d): ...


class _ConvTranspose2d(_Guarded, nn.ConvTranspose2d): ...


class _ConvTranspose3d(_Guarded, nn.ConvTranspose3d): ...


_GUARDED: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: _Conv2d,
    nn.Conv3d: _Conv3d,
    nn.ConvTranspose2d: _ConvTranspose2d,
    nn.ConvTranspose3d: _ConvTranspose3d,
}
