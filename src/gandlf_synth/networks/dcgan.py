"""Generator and discriminator of a DCGAN (Radford et al. 2015, arXiv 1511.06434), for any size in 2D and 3D.

Resolution k has ``ceil(size / 2^k)`` voxels along each axis, so no size has to be a power of two.
"""

from collections.abc import Sequence
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.networks.equalized_layers import minibatch_stddev
from gandlf_synth.networks.resampling import upsample
from gandlf_synth.networks.sizes import crop, resolutions

Norm = Literal["batch", "group", "none"]
Upsampling = Literal["transposed", "linear"]

_KERNEL, _STRIDE, _PADDING = 4, 2, 1
_INITIAL_STD = 0.02


class Generator(nn.Module):
    """Makes images from latent vectors (and classes): a linear layer, then convolutions that double the size.

    Args:
        shape: size of an image, 2D or 3D.
        channels: image channels.
        num_classes: 0 without classes.
        latent_vector_size: numbers from which an image is made.
        init_channels: feature channels at the coarsest resolution.
        growth_rate: divisor of the feature channels from one resolution to the next finer.
        norm: normalization before every convolution.
        norm_num_groups: groups of the norm ``group``.
        upsampling: ``transposed`` convolutions as in the paper, or convolutions and ``linear`` interpolation.

    Raises:
        ConfigError: the groups do not divide the feature channels of a resolution.

    Example:
        >>> generator = Generator(shape=(33, 17), channels=1, num_classes=2, latent_vector_size=8, init_channels=16)
        >>> generator(torch.randn(3, 8), class_labels=torch.tensor([0, 1, 1])).shape
        torch.Size([3, 1, 33, 17])
    """

    def __init__(
        self,
        *,
        shape: Sequence[int],
        channels: int,
        num_classes: int = 0,
        latent_vector_size: int = 100,
        init_channels: int = 512,
        growth_rate: float = 2,
        norm: Norm = "batch",
        norm_num_groups: int = 8,
        upsampling: Upsampling = "transposed",
    ) -> None:
        super().__init__()
        self.shapes = resolutions(shape)[::-1]
        dims, levels = len(shape), len(self.shapes) - 1
        widths = [max(1, round(init_channels / growth_rate**level)) for level in range(levels)]
        self.classes = nn.Embedding(num_classes, latent_vector_size) if num_classes else None
        inputs = latent_vector_size * (2 if num_classes else 1)
        self.first = nn.Linear(inputs, widths[0] * prod(self.shapes[0]), bias=False)
        self.norms = nn.ModuleList(_build_norm(norm, dims, width, norm_num_groups) for width in widths)
        self.layers = nn.ModuleList(
            _DoublingLayer(upsampling, dims, coarse, fine, last=level == levels - 1)
            for level, (coarse, fine) in enumerate(zip(widths, [*widths[1:], channels], strict=True))
        )
        self.apply(_initialize)

    def forward(self, latents: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """Return images ``(batch, channels, *shape)`` in [-1, 1], in 32 bits.

        Args:
            latents: ``(batch, latent_vector_size)``, standard normal.
            class_labels: ``(batch,)``, class indices, or None without classes.
        """
        if self.classes is not None:
            latents = torch.cat([latents, self.classes(class_labels)], 1)
        features: Tensor = self.first(latents).unflatten(1, (-1, *self.shapes[0]))
        for norm, layer, shape in zip(self.norms, self.layers, self.shapes[1:], strict=True):
            features = layer(functional.relu(norm(features)), shape)
        return features.float().tanh()


class _DoublingLayer(nn.Module):
    """A convolution to the next finer resolution; the last one sees the full size, so that edges can be sharp."""

    def __init__(self, upsampling: Upsampling, dims: int, inputs: int, outputs: int, *, last: bool) -> None:
        super().__init__()
        self._transposed, self._last = upsampling == "transposed", last
        transposed, plain = (nn.ConvTranspose2d, nn.Conv2d) if dims == 2 else (nn.ConvTranspose3d, nn.Conv3d)
        self.convolution = (
            transposed(inputs, outputs, _KERNEL, _STRIDE, _PADDING, bias=last)
            if self._transposed
            else plain(inputs, outputs, 3, padding=1, bias=last)
        )

    def forward(self, features: Tensor, shape: tuple[int, ...]) -> Tensor:
        if self._transposed:
            return crop(self.convolution(features), shape)
        if self._last:
            finest: Tensor = self.convolution(upsample(features, shape))
            return finest
        return upsample(self.convolution(features), shape)


class Discriminator(nn.Module):
    """Scores images, higher for real ones; classes by projection (Miyato & Koyama 2018, arXiv 1802.05637).

    Args:
        shape: size of an image, 2D or 3D.
        channels: image channels.
        num_classes: 0 without classes.
        init_channels: feature channels at the finest resolution.
        growth_rate: factor of the feature channels from one resolution to the next coarser.
        leaky_relu_slope: slope of the activation below zero.
        norm: normalization after every convolution but the first.
        norm_num_groups: groups of the norm ``group``.
        minibatch_std_group_size: images whose variety is seen together (Karras et al. 2017); 0: none.
        spectral_norm: whether weights are divided by their largest singular value (Miyato et al. 2018).

    Raises:
        ConfigError: the groups do not divide the feature channels of a resolution.

    Example:
        >>> discriminator = Discriminator(shape=(10, 12, 9), channels=2, init_channels=4)
        >>> discriminator(torch.randn(3, 2, 10, 12, 9)).shape
        torch.Size([3])
    """

    def __init__(
        self,
        *,
        shape: Sequence[int],
        channels: int,
        num_classes: int = 0,
        init_channels: int = 64,
        growth_rate: float = 2,
        leaky_relu_slope: float = 0.2,
        norm: Norm = "batch",
        norm_num_groups: int = 8,
        minibatch_std_group_size: int = 0,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        dims, shapes = len(shape), resolutions(shape)
        widths = [round(init_channels * growth_rate**level) for level in range(len(shapes) - 1)]
        convolution = nn.Conv2d if dims == 2 else nn.Conv3d
        self.slope = leaky_relu_slope
        self.convolutions = nn.ModuleList(
            convolution(fine, coarse, _KERNEL, _STRIDE, _PADDING)
            for fine, coarse in zip([channels, *widths[:-1]], widths, strict=True)
        )
        self.norms = nn.ModuleList(
            _build_norm(norm if level else "none", dims, width, norm_num_groups) for level, width in enumerate(widths)
        )
        self.group = minibatch_std_group_size
        features = (widths[-1] + bool(self.group)) * prod(shapes[-1])
        self.score = nn.Linear(features, 1)
        self.classes = nn.Embedding(num_classes, features) if num_classes else None
        if norm == "batch":
            self.apply(_initialize)
        if spectral_norm:
            for layer in [*self.convolutions, self.score, *([self.classes] if self.classes is not None else [])]:
                parametrizations.spectral_norm(layer)

    def forward(self, images: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """Return the scores ``(batch,)`` of ``images (batch, channels, *shape)``, in 32 bits."""
        features = images
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            padding = [extra for size in reversed(features.shape[2:]) for extra in (0, size % 2)]
            features = functional.leaky_relu(norm(convolution(functional.pad(features, padding))), self.slope)
        if self.group:
            features = minibatch_stddev(features, self.group)
        features = features.flatten(1)
        scores: Tensor = self.score(features).squeeze(1).float()
        if self.classes is not None:
            scores = scores + (self.classes(class_labels) * features).float().sum(1)
        return scores


def _build_norm(norm: Norm, dims: int, channels: int, num_groups: int) -> nn.Module:
    if norm == "batch":
        return nn.BatchNorm2d(channels) if dims == 2 else nn.BatchNorm3d(channels)
    if norm == "none":
        return nn.Identity()
    if channels % num_groups:
        nearest = max(count for count in range(1, num_groups) if channels % count == 0)
        what = f"{num_groups} does not divide the {channels} channels of one of the resolutions"
        raise ConfigError(Problem("norm_num_groups", what, fix=f"the nearest that does is {nearest}"))
    return nn.GroupNorm(num_groups, channels)


def _initialize(layer: nn.Module) -> None:
    """Draw weights as in the paper: normal with a standard deviation of 0.02."""
    if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d | nn.Linear | nn.Embedding):
        nn.init.normal_(layer.weight, std=_INITIAL_STD)
