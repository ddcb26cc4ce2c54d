"""Generator and discriminator of ``dcgan``, for any size in 2D and 3D.

Resolution k has ``ceil(size / 2^k)`` voxels along each axis, so no size has to be a power of two.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from gandlf_synth.adversarial import resolutions
from gandlf_synth.models.dcgan.config import DCGANArchitecture

_KERNEL, _STRIDE, _PADDING = 4, 2, 1


class Generator(nn.Module):
    """Makes images from latent vectors (and classes): a linear layer, then transposed convolutions.

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
        self.norms = nn.ModuleList(normalisation(architecture.generator_norm, dims, width, architecture) for width in widths)
        convolution = nn.ConvTranspose2d if dims == 2 else nn.ConvTranspose3d
        self.convolutions = nn.ModuleList(
            convolution(before, after, _KERNEL, _STRIDE, _PADDING, bias=after == channels)
            for before, after in zip(widths, [*widths[1:], channels], strict=True)
        )
        self.apply(_initialise)

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images ``(batch, channels, *shape)`` in [-1, 1], in 32 bits.

        Args:
            latents: ``(batch, latent_vector_size)``, standard normal.
            labels: ``(batch,)``, class indices, or None without classes.
        """
        if self.classes is not None:
            latents = torch.cat([latents, self.classes(labels)], 1)
        features = self.first(latents).unflatten(1, (-1, *self.shapes[0]))
        for norm, convolution, shape in zip(self.norms, self.convolutions, self.shapes[1:], strict=True):
            features = cropped(convolution(functional.relu(norm(features))), shape)
        return features.float().tanh()


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
        features = widths[-1] * prod(shapes[-1])
        self.score = nn.Linear(features, 1)
        self.classes = nn.Embedding(num_classes, features) if num_classes else None
        self.apply(_initialise)
        if architecture.spectral_norm:
            for layer in [*self.convolutions, self.score, *([self.classes] if self.classes is not None else [])]:
                spectral_norm(layer)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the scores ``(batch,)`` of ``images (batch, channels, *shape)``, in 32 bits."""
        features = images
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            padding = [extra for size in reversed(features.shape[2:]) for extra in (0, size % 2)]
            features = functional.leaky_relu(norm(convolution(functional.pad(features, padding))), self.slope)
        features = features.flatten(1)
        scores = self.score(features).squeeze(1).float()
        if self.classes is not None:
            scores = scores + (self.classes(labels) * features).float().sum(1)
        return scores


def normalisation(kind: str, dims: int, channels: int, architecture: DCGANArchitecture) -> nn.Module:
    """Return a normalisation layer for ``channels`` features."""
    if kind == "batch":
        return nn.BatchNorm2d(channels) if dims == 2 else nn.BatchNorm3d(channels)
    return nn.GroupNorm(architecture.norm_num_groups, channels) if kind == "group" else nn.Identity()


def cropped(features: Tensor, shape: Sequence[int]) -> Tensor:
    """Return ``features (batch, channels, *spatial)`` without what exceeds ``shape`` at the end of each axis."""
    return features[(..., *(slice(size) for size in shape))]


def _initialise(layer: nn.Module) -> None:
    """Draw weights as in the paper: normal with a standard deviation of 0.02."""
    if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d | nn.Linear | nn.Embedding):
        nn.init.normal_(layer.weight, std=0.02)
