"""Generator and discriminator of a StyleGAN2 (Karras et al. 2020, arXiv 1912.04958), for any size in 2D and 3D.

They are plain PyTorch: linear interpolation and means of neighbors stand in for the paper's filters.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import prod, sqrt

import torch
from torch import Tensor, nn

from gandlf_synth.networks.equalized_layers import (
    EqualizedConvolution,
    EqualizedLinear,
    ModulatedConvolution,
    activate,
    minibatch_stddev,
    pixel_norm,
)
from gandlf_synth.networks.noise_inputs import NoiseInputs
from gandlf_synth.networks.resampling import downsample, upsample
from gandlf_synth.networks.sizes import resolutions

_MAPPING_RATE = 0.01
_MEAN_DECAY = 0.995


class Generator(nn.Module):
    """Mapping and synthesis with skip connections (1912.04958, fig. 7b).

    Args:
        shape: size of an image, 2D or 3D.
        channels: image channels.
        num_classes: 0 without classes.
        latent_vector_size: numbers from which an image is made.
        intermediate_latent_size: size of a style.
        num_mapping_layers: layers from latent vector to style.
        channel_base: feature channels at a resolution are this, divided by its longest side.
        channel_max: most feature channels at any resolution.
        noise_inputs: whether every layer adds noise; without, the style decides every voxel.

    Example:
        >>> from gandlf_synth.networks.noise_inputs import random_noise
        >>> sizes = {"latent_vector_size": 8, "intermediate_latent_size": 8, "channel_base": 64, "channel_max": 8}
        >>> generator = Generator(shape=(33, 17), channels=1, **sizes)
        >>> styles = generator.mapping(torch.randn(2, 8))
        >>> generator(styles[:, None].expand(-1, generator.num_styles, -1), random_noise(2)).shape
        torch.Size([2, 1, 33, 17])
    """

    def __init__(
        self,
        *,
        shape: Sequence[int],
        channels: int,
        num_classes: int = 0,
        latent_vector_size: int = 256,
        intermediate_latent_size: int = 256,
        num_mapping_layers: int = 4,
        channel_base: int = 4096,
        channel_max: int = 256,
        noise_inputs: bool = True,
    ) -> None:
        super().__init__()
        self.shapes = resolutions(shape)[::-1]
        dims, style, noise = len(shape), intermediate_latent_size, noise_inputs
        widths = [feature_channels(size, channel_base, channel_max) for size in self.shapes]
        self.mapping = Mapping(
            latent_vector_size=latent_vector_size,
            intermediate_latent_size=intermediate_latent_size,
            num_layers=num_mapping_layers,
            num_classes=num_classes,
        )
        self.constant = nn.Parameter(torch.randn(1, widths[0], *self.shapes[0]))
        self.entries = nn.ModuleList(_StyledLayer(dims, *pair, style, noise=noise) for pair in pairwise(widths))
        self.layers = nn.ModuleList(_StyledLayer(dims, width, width, style, noise=noise) for width in widths)
        self.images = nn.ModuleList(_ToImage(dims, width, channels, style) for width in widths)
        self.num_styles = 2 * len(widths)

    def forward(self, styles: Tensor, noise: NoiseInputs) -> Tensor:
        """Return images ``(batch, channels, *shape)``, not limited to [-1, 1], in 32 bits.

        Args:
            styles: ``(batch, num_styles, intermediate_latent_size)``, one per layer.
            noise: gives the noise for each layer.
        """
        features = self.constant.expand(len(styles), *self.constant.shape[1:])
        features = self.layers[0](features, styles[:, 0], noise, self.shapes[0])
        image: Tensor = self.images[0](features, styles[:, 1])
        for level, shape in enumerate(self.shapes[1:], 1):
            features = self.entries[level - 1](features, styles[:, 2 * level - 1], noise, shape)
            features = self.layers[level](features, styles[:, 2 * level], noise, shape)
            image = upsample(image, shape) + self.images[level](features, styles[:, 2 * level + 1])
        return image


class Mapping(nn.Module):
    """Turns latent vectors (and classes) into styles, and keeps the mean style for truncation.

    Args:
        latent_vector_size: numbers from which an image is made.
        intermediate_latent_size: size of a style.
        num_layers: layers from latent vector to style.
        num_classes: 0 without classes.

    Example:
        >>> mapping = Mapping(latent_vector_size=8, intermediate_latent_size=6, num_layers=2)
        >>> styles = mapping(torch.randn(4, 8))
        >>> torch.equal(mapping.truncate(styles, psi=0.0)[0], mapping.mean_style[0])
        True
    """

    mean_style: Tensor

    def __init__(
        self, *, latent_vector_size: int, intermediate_latent_size: int, num_layers: int, num_classes: int = 0
    ) -> None:
        super().__init__()
        self.classes = nn.Embedding(num_classes, latent_vector_size) if num_classes else None
        sizes = [latent_vector_size * (2 if num_classes else 1), *[intermediate_latent_size] * num_layers]
        self.layers = nn.ModuleList(EqualizedLinear(*pair, rate=_MAPPING_RATE) for pair in pairwise(sizes))
        self.register_buffer("mean_style", torch.zeros(max(1, num_classes), intermediate_latent_size))

    def forward(self, latents: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """Return styles ``(batch, intermediate_latent_size)`` for ``latents (batch, latent_vector_size)``."""
        values = pixel_norm(latents)
        if self.classes is not None:
            values = torch.cat([values, pixel_norm(self.classes(class_labels))], 1)
        for layer in self.layers:
            values = activate(layer(values))
        return values.float()

    @torch.no_grad()
    def update_mean_style(self, styles: Tensor, class_labels: Tensor | None = None) -> None:
        """Move the mean style of each class towards ``styles (batch, intermediate_latent_size)``."""
        rows = (
            torch.zeros(len(styles), dtype=torch.long, device=styles.device) if class_labels is None else class_labels
        )
        counts = torch.zeros(len(self.mean_style), 1, device=styles.device)
        counts.index_add_(0, rows, torch.ones(len(styles), 1, device=styles.device))
        sums = torch.zeros_like(self.mean_style).index_add_(0, rows, styles.detach())
        moved = self.mean_style.lerp(sums / counts.clamp(min=1), 1 - _MEAN_DECAY)
        self.mean_style.copy_(torch.where(counts > 0, moved, self.mean_style))

    def truncate(self, styles: Tensor, class_labels: Tensor | None = None, *, psi: float) -> Tensor:
        """Return ``styles`` moved towards the mean style of their class (Karras et al. 2018, 1812.04948, sec. B)."""
        if psi == 1:
            return styles
        mean = self.mean_style if class_labels is None else self.mean_style[class_labels]
        return mean + psi * (styles - mean)


class _StyledLayer(nn.Module):
    """Modulated convolution, noise, bias, activation; on the way to a finer resolution, an interpolation."""

    def __init__(self, dims: int, inputs: int, outputs: int, style: int, *, noise: bool) -> None:
        super().__init__()
        self.convolution = ModulatedConvolution(dims, inputs, outputs, 3, style)
        self.bias = nn.Parameter(torch.zeros(1, outputs, *[1] * dims))
        self.noise_strength = nn.Parameter(torch.zeros(())) if noise else None

    def forward(self, features: Tensor, style: Tensor, noise: NoiseInputs, shape: tuple[int, ...]) -> Tensor:
        features = self.convolution(features, style)
        if features.shape[2:] != shape:
            features = upsample(features, shape)
        offset = self.bias if self.noise_strength is None else self.noise_strength * noise(shape) + self.bias
        return activate(features + offset.to(features.dtype))


class _ToImage(nn.Module):
    """What a resolution adds to the image."""

    def __init__(self, dims: int, inputs: int, channels: int, style: int) -> None:
        super().__init__()
        self.convolution = ModulatedConvolution(dims, inputs, channels, 1, style, demodulated=False)
        self.bias = nn.Parameter(torch.zeros(1, channels, *[1] * dims))

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        image: Tensor = self.convolution(features, style) + self.bias
        return image.float()


class Discriminator(nn.Module):
    """Residual discriminator that also sees the variety of its batch; classes by projection.

    Args:
        shape: size of an image, 2D or 3D.
        channels: image channels.
        num_classes: 0 without classes.
        channel_base: feature channels at a resolution are this, divided by its longest side.
        channel_max: most feature channels at any resolution.
        minibatch_std_group_size: images whose variety is seen together.

    Example:
        >>> discriminator = Discriminator(shape=(9, 8, 7), channels=2, channel_base=64, channel_max=8)
        >>> discriminator(torch.randn(3, 2, 9, 8, 7)).shape
        torch.Size([3])
    """

    def __init__(
        self,
        *,
        shape: Sequence[int],
        channels: int,
        num_classes: int = 0,
        channel_base: int = 4096,
        channel_max: int = 256,
        minibatch_std_group_size: int = 4,
    ) -> None:
        super().__init__()
        shapes, dims = resolutions(shape), len(shape)
        widths = [feature_channels(size, channel_base, channel_max) for size in shapes]
        self._group = minibatch_std_group_size
        self.entry = EqualizedConvolution(dims, channels, widths[0], 1)
        self.blocks = nn.Sequential(*(_ResidualBlock(dims, *pair) for pair in pairwise(widths)))
        self.last = EqualizedConvolution(dims, widths[-1] + 1, widths[-1], 3)
        self.features = EqualizedLinear(widths[-1] * prod(shapes[-1]), widths[-1])
        self.score = EqualizedLinear(widths[-1], 1)
        self.classes = nn.Embedding(num_classes, widths[-1]) if num_classes else None

    def forward(self, images: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """Return the scores ``(batch,)`` of ``images (batch, channels, *shape)``, in 32 bits."""
        features = self.blocks(activate(self.entry(images)))
        features = activate(self.last(minibatch_stddev(features, self._group)))
        features = activate(self.features(features.flatten(1)))
        scores: Tensor = self.score(features).squeeze(1).float()
        if self.classes is not None:
            scores = scores + (self.classes(class_labels) * features).float().sum(1) / sqrt(features.shape[1])
        return scores


class _ResidualBlock(nn.Module):
    """Two convolutions to the next coarser resolution, and a way around them."""

    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = EqualizedConvolution(dims, inputs, inputs, 3)
        self.second = EqualizedConvolution(dims, inputs, outputs, 3)
        self.skip = EqualizedConvolution(dims, inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        residual = activate(self.second(downsample(activate(self.first(features)))))
        coarser: Tensor = (residual + self.skip(downsample(features))) / sqrt(2)
        return coarser


def feature_channels(shape: Sequence[int], channel_base: int, channel_max: int) -> int:
    """Return the feature channels at the resolution of ``shape``.

    Example:
        >>> [feature_channels((side, side), channel_base=4096, channel_max=256) for side in (8, 64)]
        [256, 64]
    """
    return max(1, min(channel_max, channel_base // max(shape)))
