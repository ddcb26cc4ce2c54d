"""Layers whose weights are scaled at run time, so that all learn at one rate (Karras et al. 2018, arXiv 1710.10196)."""

from math import prod, sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class EqualizedLinear(nn.Module):
    """A linear layer.

    Args:
        inputs: numbers in.
        outputs: numbers out.
        bias: the initial bias.
        rate: factor of the learning rate.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), bias / rate))
        self._scale, self._rate = rate / sqrt(inputs), rate

    def forward(self, values: Tensor) -> Tensor:
        """Return ``(batch, outputs)`` for ``values (batch, inputs)``."""
        return functional.linear(values, self.weight * self._scale, self.bias * self._rate)


class EqualizedConvolution(nn.Module):
    """A convolution that keeps the size.

    Args:
        dims: 2 or 3.
        inputs: channels in.
        outputs: channels out.
        kernel: side of the kernel, odd.
    """

    def __init__(self, dims: int, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, *[kernel] * dims))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self._scale = 1 / sqrt(inputs * kernel**dims)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``(batch, outputs, *spatial)`` for ``features (batch, inputs, *spatial)``."""
        return convolve(features, self.weight * self._scale, self.bias)


class ModulatedConvolution(nn.Module):
    """A convolution whose weights a style scales, output channels brought back to unit variance (1912.04958, eq. 1, 3).

    Scaling inputs and outputs instead of weights is the same and needs no convolution per image.

    Args:
        dims: 2 or 3.
        inputs: channels in.
        outputs: channels out.
        kernel: side of the kernel, odd.
        style: numbers in a style.
        demodulated: whether outputs are brought back to unit variance.
    """

    def __init__(
        self, dims: int, inputs: int, outputs: int, kernel: int, style: int, *, demodulated: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, *[kernel] * dims))
        self.scales = EqualizedLinear(style, inputs, bias=1.0)
        self._scale = 1 / sqrt(prod(self.weight.shape[1:]))
        self._demodulated = demodulated

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Return ``(batch, outputs, *spatial)``; ``features (batch, inputs, *spatial)``, ``style (batch, style)``."""
        scales = self.scales(style).float()
        weight = self.weight * self._scale
        ones = [1] * (features.ndim - 2)
        result = convolve(features * scales.view(*scales.shape, *ones).to(features.dtype), weight)
        if not self._demodulated:
            return result
        with torch.autocast(features.device.type, enabled=False):
            energy = weight.square().flatten(2).sum(2)
            gain = (scales.square() @ energy.T + 1e-8).rsqrt()
        return result * gain.view(*gain.shape, *ones).to(result.dtype)  # type: ignore[no-any-return]


def convolve(features: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the convolution in 2D or 3D that keeps the size."""
    convolution: Any = functional.conv2d if features.ndim == 4 else functional.conv3d
    result: Tensor = convolution(features, weight, bias, padding=weight.shape[-1] // 2)
    return result


def activate(features: Tensor) -> Tensor:
    """Return leaky ReLU that keeps the variance."""
    return functional.leaky_relu(features, 0.2) * sqrt(2)


def pixel_norm(vectors: Tensor) -> Tensor:
    """Return ``vectors (batch, size)`` scaled to a mean square of 1."""
    return vectors * (vectors.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def minibatch_stddev(features: Tensor, group: int) -> Tensor:
    """Return ``features`` with one more channel: the spread over groups of images (1710.10196, sec. 3)."""
    size = max(count for count in range(1, group + 1) if len(features) % count == 0)
    size = len(features) if size == 1 else size
    grouped = features.float().reshape(size, -1, *features.shape[1:])
    spread = (grouped.var(0, correction=0) + 1e-8).sqrt().flatten(1).mean(1).repeat(size)
    channel = spread.view(-1, *[1] * (features.ndim - 1)).expand(-1, 1, *features.shape[2:])
    return torch.cat([features, channel.to(features)], 1)
