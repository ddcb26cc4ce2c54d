"""Layers whose weights are scaled at run time, so that all learn at one rate (Karras et al. 2017, arXiv 1710.10196)."""

from math import prod, sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from gandlf_synth.networks.small_images import needs_32_bits


class EqualizedLinear(nn.Module):
    """A linear layer with an equalized learning rate (1710.10196, sec. 4.1).

    Args:
        inputs: numbers in.
        outputs: numbers out.
        bias: the initial bias.
        rate: factor of the learning rate.

    Example:
        >>> EqualizedLinear(4, 2)(torch.randn(3, 4)).shape
        torch.Size([3, 2])
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
    """A convolution with an equalized learning rate that keeps the size.

    Args:
        dims: 2 or 3.
        inputs: channels in.
        outputs: channels out.
        kernel: side of the kernel, odd.

    Example:
        >>> EqualizedConvolution(3, 1, 2, kernel=3)(torch.randn(1, 1, 5, 6, 7)).shape
        torch.Size([1, 2, 5, 6, 7])
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

    Example:
        >>> layer = ModulatedConvolution(2, 3, 4, kernel=3, style=8)
        >>> layer(torch.randn(2, 3, 6, 6), torch.randn(2, 8)).shape
        torch.Size([2, 4, 6, 6])
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
        output = convolve(features * scales.view(*scales.shape, *ones).to(features.dtype), weight)
        if not self._demodulated:
            return output
        with torch.autocast(features.device.type, enabled=False):
            energy = weight.square().flatten(2).sum(2)
            gain = (scales.square() @ energy.T + 1e-8).rsqrt()
        modulated: Tensor = output * gain.view(*gain.shape, *ones).to(output.dtype)
        return modulated


def convolve(features: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the convolution in 2D or 3D that keeps the size."""
    if needs_32_bits(features, weight.shape[2:]):
        with torch.autocast("cpu", enabled=False):
            return convolve(features.float(), weight, bias)
    padding = weight.shape[-1] // 2
    if features.ndim == 4:
        return functional.conv2d(features, weight, bias, padding=padding)
    return functional.conv3d(features, weight, bias, padding=padding)


def activate(features: Tensor) -> Tensor:
    """Return leaky ReLU that keeps the variance."""
    return functional.leaky_relu(features, 0.2) * sqrt(2)


def pixel_norm(vectors: Tensor) -> Tensor:
    """Return ``vectors (batch, size)`` scaled to a mean square of 1 (1710.10196, sec. 4.2).

    Example:
        >>> pixel_norm(torch.tensor([[3.0, 3.0], [0.0, -2.0]])).tolist()
        [[1.0, 1.0], [0.0, -1.4142135381698608]]
    """
    return vectors * (vectors.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def minibatch_stddev(features: Tensor, group: int) -> Tensor:
    """Return ``features`` with one more channel: the spread over groups of images (1710.10196, sec. 3).

    Args:
        features: ``(batch, channels, *spatial)``.
        group: images in a group; fewer where the batch is not a multiple of it, and the whole batch where only 1 fits.

    Example:
        >>> minibatch_stddev(torch.randn(6, 2, 4, 4), group=4).shape
        torch.Size([6, 3, 4, 4])
    """
    size = max(count for count in range(1, group + 1) if len(features) % count == 0)
    size = len(features) if size == 1 else size
    grouped = features.float().reshape(size, -1, *features.shape[1:])
    variance = (grouped - grouped.mean(0)).square().mean(0)  # torch's own is five times slower along the first axis
    spread = (variance + 1e-8).sqrt().flatten(1).mean(1).repeat(size)
    channel = spread.view(-1, *[1] * (features.ndim - 1)).expand(-1, 1, *features.shape[2:])
    return torch.cat([features, channel.to(features)], 1)
