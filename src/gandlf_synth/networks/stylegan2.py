"""Generator and discriminator of ``stylegan2`` in plain PyTorch, for any size in 2D and 3D.

Linear interpolation and means of neighbours stand in for the paper's filters, so there is nothing to compile.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn

from gandlf_synth.models.stylegan2.config import StyleGAN2Architecture
from gandlf_synth.networks.equalized_layers import (
    EqualizedConvolution,
    EqualizedLinear,
    ModulatedConvolution,
    activate,
    minibatch_stddev,
    pixel_norm,
)
from gandlf_synth.networks.resampling import downsample, upsample
from gandlf_synth.networks.resolutions import resolutions

_MAPPING_RATE = 0.01
_MEAN_DECAY = 0.995

Noise = Callable[[tuple[int, ...]], Tensor]
"""Returns ``(batch, 1, *size)`` standard normal noise for a size."""


class Mapping(nn.Module):
    """Turns latent vectors (and classes) into styles, and keeps the mean style for truncation.

    Args:
        architecture: sizes.
        num_classes: 0 without classes.
    """

    mean_style: Tensor

    def __init__(self, architecture: StyleGAN2Architecture, num_classes: int) -> None:
        super().__init__()
        latent, style = architecture.latent_vector_size, architecture.intermediate_latent_size
        self.classes = nn.Embedding(num_classes, latent) if num_classes else None
        sizes = [latent * (2 if num_classes else 1), *[style] * architecture.num_mapping_layers]
        self.layers = nn.ModuleList(EqualizedLinear(*pair, rate=_MAPPING_RATE) for pair in pairwise(sizes))
        self.register_buffer("mean_style", torch.zeros(max(1, num_classes), style))

    def forward(self, latents: Tensor, class_labels: Tensor | None) -> Tensor:
        """Return styles ``(batch, intermediate_latent_size)`` for ``latents (batch, latent_vector_size)``."""
        values = pixel_norm(latents)
        if self.classes is not None:
            values = torch.cat([values, pixel_norm(self.classes(class_labels))], 1)
        for layer in self.layers:
            values = activate(layer(values))
        return values.float()

    @torch.no_grad()
    def remember(self, styles: Tensor, class_labels: Tensor | None) -> None:
        """Move the mean style of each class towards ``styles``."""
        rows = (
            torch.zeros(len(styles), dtype=torch.long, device=styles.device) if class_labels is None else class_labels
        )
        counts = torch.zeros(len(self.mean_style), 1, device=styles.device)
        counts.index_add_(0, rows, torch.ones(len(styles), 1, device=styles.device))
        sums = torch.zeros_like(self.mean_style).index_add_(0, rows, styles.detach())
        moved = self.mean_style.lerp(sums / counts.clamp(min=1), 1 - _MEAN_DECAY)
        self.mean_style.copy_(torch.where(counts > 0, moved, self.mean_style))

    def truncated(self, styles: Tensor, class_labels: Tensor | None, psi: float) -> Tensor:
        """Return ``styles`` moved towards the mean style of their class (Karras et al. 2019, sec. B)."""
        if psi == 1:
            return styles
        mean = self.mean_style if class_labels is None else self.mean_style[class_labels]
        return mean + psi * (styles - mean)


class StyledLayer(nn.Module):
    """Modulated convolution, noise, bias, activation; on the way to a finer resolution, an interpolation."""

    def __init__(self, dims: int, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.convolution = ModulatedConvolution(dims, inputs, outputs, 3, style)
        self.bias = nn.Parameter(torch.zeros(1, outputs, *[1] * dims))
        self.noise_strength = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor, style: Tensor, noise: Noise, shape: tuple[int, ...]) -> Tensor:
        """Return ``(batch, outputs, *shape)``."""
        features = self.convolution(features, style)
        if features.shape[2:] != shape:
            features = upsample(features, shape)
        added = self.noise_strength * noise(shape) + self.bias
        return activate(features + added.to(features.dtype))


class ToImage(nn.Module):
    """What a resolution adds to the image."""

    def __init__(self, dims: int, inputs: int, channels: int, style: int) -> None:
        super().__init__()
        self.convolution = ModulatedConvolution(dims, inputs, channels, 1, style, demodulated=False)
        self.bias = nn.Parameter(torch.zeros(1, channels, *[1] * dims))

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """Return ``(batch, channels, *spatial)``."""
        image: Tensor = self.convolution(features, style) + self.bias
        return image.float()


class Generator(nn.Module):
    """Mapping and synthesis with skip connections (1912.04958, fig. 7b).

    Args:
        architecture: channels and sizes.
        shape: size of an image.
        channels: image channels.
        num_classes: 0 without classes.
    """

    def __init__(
        self, architecture: StyleGAN2Architecture, shape: Sequence[int], channels: int, num_classes: int
    ) -> None:
        super().__init__()
        self.shapes = resolutions(shape)[::-1]
        dims, style = len(shape), architecture.intermediate_latent_size
        widths = [architecture.channels(max(size)) for size in self.shapes]
        self.mapping = Mapping(architecture, num_classes)
        self.constant = nn.Parameter(torch.randn(1, widths[0], *self.shapes[0]))
        before = [widths[0], *widths[:-1]]
        self.entries = nn.ModuleList(
            StyledLayer(dims, *pair, style) for pair in list(zip(before, widths, strict=True))[1:]
        )
        self.layers = nn.ModuleList(StyledLayer(dims, width, width, style) for width in widths)
        self.images = nn.ModuleList(ToImage(dims, width, channels, style) for width in widths)
        self.num_styles = 2 * len(widths)

    def forward(self, styles: Tensor, noise: Noise) -> Tensor:
        """Return images ``(batch, channels, *shape)``, not limited to [-1, 1], in 32 bits.

        Args:
            styles: ``(batch, num_styles, intermediate_latent_size)``, one per layer.
            noise: gives the noise for each layer.
        """
        features = self.constant.expand(len(styles), *self.constant.shape[1:])
        features = self.layers[0](features, styles[:, 0], noise, self.shapes[0])
        image = self.images[0](features, styles[:, 1])
        for level, shape in enumerate(self.shapes[1:], 1):
            features = self.entries[level - 1](features, styles[:, 2 * level - 1], noise, shape)
            features = self.layers[level](features, styles[:, 2 * level], noise, shape)
            image = upsample(image, shape) + self.images[level](features, styles[:, 2 * level + 1])
        return image  # type: ignore[no-any-return]


class _ResidualBlock(nn.Module):
    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = EqualizedConvolution(dims, inputs, inputs, 3)
        self.second = EqualizedConvolution(dims, inputs, outputs, 3)
        self.skip = EqualizedConvolution(dims, inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        inner = activate(self.second(downsample(activate(self.first(features)))))
        result: Tensor = (inner + self.skip(downsample(features))) / sqrt(2)
        return result


class Discriminator(nn.Module):
    """Residual discriminator that also sees the variety of its batch; classes by projection.

    Args:
        architecture: channels.
        shape: size of an image.
        channels: image channels.
        num_classes: 0 without classes.
    """

    def __init__(
        self, architecture: StyleGAN2Architecture, shape: Sequence[int], channels: int, num_classes: int
    ) -> None:
        super().__init__()
        shapes, dims = resolutions(shape), len(shape)
        widths = [architecture.channels(max(size)) for size in shapes]
        self._group = architecture.minibatch_std_group_size
        self.entry = EqualizedConvolution(dims, channels, widths[0], 1)
        self.blocks = nn.Sequential(*(_ResidualBlock(dims, *pair) for pair in pairwise(widths)))
        self.last = EqualizedConvolution(dims, widths[-1] + 1, widths[-1], 3)
        voxels = int(torch.tensor(shapes[-1]).prod())
        self.features = EqualizedLinear(widths[-1] * voxels, widths[-1])
        self.score = EqualizedLinear(widths[-1], 1)
        self.classes = nn.Embedding(num_classes, widths[-1]) if num_classes else None

    def forward(self, images: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """Return the scores ``(batch,)`` of ``images (batch, channels, *shape)``, in 32 bits."""
        features = self.blocks(activate(self.entry(images)))
        features = activate(self.last(minibatch_stddev(features, self._group)))
        features = activate(self.features(features.flatten(1)))
        scores = self.score(features).squeeze(1).float()
        if self.classes is not None:
            scores = scores + (self.classes(class_labels) * features).float().sum(1) / sqrt(features.shape[1])
        return scores  # type: ignore[no-any-return]
