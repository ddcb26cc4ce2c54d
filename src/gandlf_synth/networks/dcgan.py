"""Generator and discriminator of ``dcgan``, for any size in 2D and 3D.

Resolution k has ``ceil(size / 2^k)`` voxels along each axis, so no size has to be a power of two.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.models.dcgan.config import DCGANArchitecture
from gandlf_synth.networks.equalized_layers import minibatch_stddev
from gandlf_synth.networks.resampling import upsample
from gandlf_synth.networks.resolutions import resolutions

_KERNEL, _STRIDE, _PADDING = 4, 2, 1


class Generator(nn.Module):
    """Makes images from latent vectors (and classes): a linear layer, then convolutions that double the size.

    Args:
        architecture: channels and normalisation.
        shape: size of an image.
        channels: image channels.
        num_classes: 0 without classes.
    """

    def __init__(self, architecture: DCGANArchitecture, shape: Sequence[int], channels: int, num_classes: int) -> None:
        super().__init__()
        self.shapes = resolutions(shape)[::-1]
        dims, levels = len(shape), len(self.shapes) - 1
        growth = architecture.growth_rate_generator
        widths = [max(1, round(architecture.init_channels_generator / growth**level)) for level in range(levels)]
        size = architecture.latent_vector_size
        self.classes = nn.Embedding(num_classes, size) if num_classes else None
        self.first = nn.Linear(size * (2 if num_classes else 1), widths[0] * prod(self.shapes[0]), bias=False)
        self.norms = nn.ModuleList(
            normalisation(architecture.generator_norm, dims, width, architecture) for width in widths
        )
        self.layers = nn.ModuleList(
            _Doubling(architecture.upsampling, dims, before, after, last=level == levels - 1)
            for level, (before, after) in enumerate(zip(widths, [*widths[1:], channels], strict=True))
        )
        self.apply(_initialise)

    def forward(self, latents: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """Return images ``(batch, channels, *shape)`` in [-1, 1], in 32 bits.

        Args:
            latents: ``(batch, latent_vector_size)``, standard normal.
            class_labels: ``(batch,)``, class indices, or None without classes.
        """
        if self.classes is not None:
            latents = torch.cat([latents, self.classes(class_labels)], 1)
        features = self.first(latents).unflatten(1, (-1, *self.shapes[0]))
        for norm, layer, shape in zip(self.norms, self.layers, self.shapes[1:], strict=True):
            features = layer(functional.relu(norm(features)), shape)
        return features.float().tanh()  # type: ignore[no-any-return]


class _Doubling(nn.Module):
    """A convolution to the next finer resolution; the last one sees the full size, so that edges can be sharp."""

    def __init__(self, kind: str, dims: int, inputs: int, outputs: int, *, last: bool) -> None:
        super().__init__()
        self._transposed, self._last = kind == "transposed", last
        transposed, plain = (nn.ConvTranspose2d, nn.Conv2d) if dims == 2 else (nn.ConvTranspose3d, nn.Conv3d)
        self.convolution = (
            transposed(inputs, outputs, _KERNEL, _STRIDE, _PADDING, bias=last)
            if self._transposed
            else plain(inputs, outputs, 3, padding=1, bias=last)
        )

    def forward(self, features: Tensor, shape: tuple[int, ...]) -> Tensor:
        if self._transposed:
            return cropped(self.convolution(features), shape)
        if self._last:
            return self.convolution(upsample(features, shape))  # type: ignore[no-any-return]
        return upsample(self.convolution(features), shape)


class Discriminator(nn.Module):
    """Scores images, higher for real ones; classes by projection (Miyato & Koyama 2018, arXiv 1802.05637).

    Args:
        architecture: channels and normalisation.
        norm: normalisation after every convolution but the first.
        shape: size of an image.
        channels: image channels.
        num_classes: 0 without classes.
    """

    def __init__(
        self, architecture: DCGANArchitecture, norm: str, shape: Sequence[int], channels: int, num_classes: int
    ) -> None:
        super().__init__()
        dims, shapes = len(shape), resolutions(shape)
        growth = architecture.growth_rate_discriminator
        widths = [round(architecture.init_channels_discriminator * growth**level) for level in range(len(shapes) - 1)]
        convolution = nn.Conv2d if dims == 2 else nn.Conv3d
        self.slope = architecture.leaky_relu_slope
        self.convolutions = nn.ModuleList(
            convolution(before, after, _KERNEL, _STRIDE, _PADDING)
            for before, after in zip([channels, *widths[:-1]], widths, strict=True)
        )
        self.norms = nn.ModuleList(
            normalisation(norm if level else "none", dims, width, architecture) for level, width in enumerate(widths)
        )
        self.group = architecture.minibatch_std_group_size
        features = (widths[-1] + bool(self.group)) * prod(shapes[-1])
        self.score = nn.Linear(features, 1)
        self.classes = nn.Embedding(num_classes, features) if num_classes else None
        if norm == "batch":
            self.apply(_initialise)
        if architecture.spectral_norm:
            for layer in [*self.convolutions, self.score, *([self.classes] if self.classes is not None else [])]:
                spectral_norm(layer)

    def forward(self, images: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """Return the scores ``(batch,)`` of ``images (batch, channels, *shape)``, in 32 bits."""
        features = images
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            padding = [extra for size in reversed(features.shape[2:]) for extra in (0, size % 2)]
            features = functional.leaky_relu(norm(convolution(functional.pad(features, padding))), self.slope)
        if self.group:
            features = minibatch_stddev(features, self.group)
        features = features.flatten(1)
        scores = self.score(features).squeeze(1).float()
        if self.classes is not None:
            scores = scores + (self.classes(class_labels) * features).float().sum(1)
        return scores  # type: ignore[no-any-return]


def normalisation(kind: str, dims: int, channels: int, architecture: DCGANArchitecture) -> nn.Module:
    """Return a normalisation layer for ``channels`` features.

    Raises:
        ConfigError: the groups do not divide the channels.
    """
    if kind == "batch":
        return nn.BatchNorm2d(channels) if dims == 2 else nn.BatchNorm3d(channels)
    if kind == "none":
        return nn.Identity()
    groups = architecture.norm_num_groups
    if channels % groups:
        nearest = max(count for count in range(1, groups) if channels % count == 0)
        what = f"{groups} does not divide the {channels} channels of one of the resolutions"
        fix = f"the nearest that does is {nearest}"
        raise ConfigError(Problem("model_config.architecture.norm_num_groups", what, fix=fix))
    return nn.GroupNorm(groups, channels)


def cropped(features: Tensor, shape: Sequence[int]) -> Tensor:
    """Return ``features (batch, channels, *spatial)`` without what exceeds ``shape`` at the end of each axis."""
    inside = (..., *(slice(size) for size in shape))
    return features[inside]  # type: ignore[index, unused-ignore]


def _initialise(layer: nn.Module) -> None:
    """Draw weights as in the paper: normal with a standard deviation of 0.02."""
    if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d | nn.Linear | nn.Embedding):
        nn.init.normal_(layer.weight, std=0.02)
