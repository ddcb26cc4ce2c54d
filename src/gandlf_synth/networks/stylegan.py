"""Generator and critic of ``stylegan``, which grow with the stage; any size in 2D and 3D."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod, sqrt

import torch
from torch import Tensor, nn

from gandlf_synth.models.stylegan.config import StyleGANArchitecture
from gandlf_synth.networks.equalized_layers import (
    EqualizedConvolution,
    EqualizedLinear,
    activate,
    minibatch_stddev,
    pixel_norm,
)
from gandlf_synth.networks.resampling import adaptive_avg_pool, upsample

_MAPPING_LAYERS = 8
_MAPPING_RATE = 0.01
_VARIETY_GROUP = 4

Noise = Callable[[tuple[int, ...]], Tensor]
"""Returns ``(batch, 1, *size)`` standard normal noise for a size."""


def stage_shapes(architecture: StyleGANArchitecture, shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the size of an image in every stage, the last being ``shape``."""
    factor, last = architecture.progressive_size_growth_factor, architecture.num_stages - 1
    return [tuple(-(-size // factor ** (last - stage)) for size in shape) for stage in range(last + 1)]


class _StyledLayer(nn.Module):
    """Noise, activation and adaptive instance normalisation (1812.04948, eq. 1)."""

    def __init__(self, dims: int, channels: int, style: int) -> None:
        super().__init__()
        self.noise_strength = nn.Parameter(torch.zeros(1, channels, *[1] * dims))
        self.scale = EqualizedLinear(style, channels, bias=1.0)
        self.shift = EqualizedLinear(style, channels)

    def forward(self, features: Tensor, style: Tensor, noise: Noise) -> Tensor:
        shape = tuple(features.shape[2:])
        features = activate(features.float() + self.noise_strength * noise(shape))
        axes, ones = tuple(range(2, features.ndim)), [1] * len(shape)
        variance, mean = torch.var_mean(features, axes, correction=0, keepdim=True)
        scale, shift = self.scale(style), self.shift(style)
        normalised = (features - mean) * (variance + 1e-8).rsqrt()
        result: Tensor = scale.view(*scale.shape, *ones) * normalised + shift.view(*shift.shape, *ones)
        return result


class _GrowingBlock(nn.Module):
    def __init__(self, dims: int, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.first = EqualizedConvolution(dims, inputs, outputs, 3)
        self.second = EqualizedConvolution(dims, outputs, outputs, 3)
        self.layers = nn.ModuleList(_StyledLayer(dims, outputs, style) for _ in range(2))

    def forward(self, features: Tensor, style: Tensor, noise: Noise, shape: tuple[int, ...]) -> Tensor:
        features = self.layers[0](self.first(upsample(features, shape)), style, noise)
        result: Tensor = self.layers[1](self.second(features), style, noise)
        return result


class Generator(nn.Module):
    """Mapping and growing synthesis network.

    Args:
        architecture: channels and stages.
        shape: size of an image in the last stage.
        channels: image channels.
        num_classes: 0 without classes.
    """

    def __init__(
        self, architecture: StyleGANArchitecture, shape: Sequence[int], channels: int, num_classes: int
    ) -> None:
        super().__init__()
        self.shapes = stage_shapes(architecture, shape)
        dims, style, latent = len(shape), architecture.intermediate_latent_size, architecture.latent_vector_size
        widths = channels_of(architecture)
        sizes = [latent * (2 if num_classes else 1), *[style] * _MAPPING_LAYERS]
        self.classes = nn.Embedding(num_classes, latent) if num_classes else None
        self.mapping = nn.ModuleList(EqualizedLinear(*pair, rate=_MAPPING_RATE) for pair in pairwise(sizes))
        self.constant = nn.Parameter(torch.ones(1, widths[0], *self.shapes[0]))
        self.entry = _StyledLayer(dims, widths[0], style)
        self.convolution = EqualizedConvolution(dims, widths[0], widths[0], 3)
        self.second = _StyledLayer(dims, widths[0], style)
        self.blocks = nn.ModuleList(_GrowingBlock(dims, *pair, style) for pair in pairwise(widths))
        self.images = nn.ModuleList(EqualizedConvolution(dims, width, channels, 1) for width in widths)

    def forward(self, latents: Tensor, class_labels: Tensor | None, noise: Noise, stage: int, alpha: float) -> Tensor:
        """Return images ``(batch, channels, *shapes[stage])`` in [-1, 1], in 32 bits.

        Args:
            latents: ``(batch, latent_vector_size)``, standard normal.
            class_labels: ``(batch,)``, class indices, or None without classes.
            noise: gives the noise for each layer.
            stage: resolution, counted from 0.
            alpha: weight of this resolution beside the one before.
        """
        style = self._style(latents, class_labels)
        features = self.constant.expand(len(latents), *self.constant.shape[1:])
        features = self.second(self.convolution(self.entry(features, style, noise)), style, noise)
        before = features
        for block, shape in zip(self.blocks[:stage], self.shapes[1:], strict=False):
            before, features = features, block(features, style, noise, shape)
        image: Tensor = self.images[stage](features)
        if stage and alpha < 1:
            coarse = upsample(self.images[stage - 1](before), self.shapes[stage])
            image = torch.lerp(coarse.float(), image.float(), alpha)
        return image.float().tanh()

    def _style(self, latents: Tensor, class_labels: Tensor | None) -> Tensor:
        values = pixel_norm(latents)
        if self.classes is not None:
            values = torch.cat([values, pixel_norm(self.classes(class_labels))], 1)
        for layer in self.mapping:
            values = activate(layer(values))
        return values


class _ShrinkingBlock(nn.Module):
    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = EqualizedConvolution(dims, inputs, inputs, 3)
        self.second = EqualizedConvolution(dims, inputs, outputs, 3)

    def forward(self, features: Tensor, shape: tuple[int, ...]) -> Tensor:
        return adaptive_avg_pool(activate(self.second(activate(self.first(features)))), shape)


class Discriminator(nn.Module):
    """Critic that shrinks images stage by stage; classes by projection.

    Args:
        architecture: channels and stages.
        shape: size of an image in the last stage.
        channels: image channels.
        num_classes: 0 without classes.
    """

    def __init__(
        self, architecture: StyleGANArchitecture, shape: Sequence[int], channels: int, num_classes: int
    ) -> None:
        super().__init__()
        self.shapes = stage_shapes(architecture, shape)
        dims, widths = len(shape), channels_of(architecture)
        self.entries = nn.ModuleList(EqualizedConvolution(dims, channels, width, 1) for width in widths)
        self.blocks = nn.ModuleList(_ShrinkingBlock(dims, after, before) for before, after in pairwise(widths))
        self.last = EqualizedConvolution(dims, widths[0] + 1, widths[0], 3)
        self.features = EqualizedLinear(widths[0] * prod(self.shapes[0]), widths[0])
        self.score = EqualizedLinear(widths[0], 1)
        self.classes = nn.Embedding(num_classes, widths[0]) if num_classes else None

    def forward(self, images: Tensor, class_labels: Tensor | None, stage: int, alpha: float) -> Tensor:
        """Return the scores ``(batch,)`` of ``images (batch, channels, *shapes[stage])``, in 32 bits."""
        features = activate(self.entries[stage](images))
        for level in range(stage, 0, -1):
            features = self.blocks[level - 1](features, self.shapes[level - 1])
            if level == stage and alpha < 1:
                coarse = activate(self.entries[stage - 1](adaptive_avg_pool(images, self.shapes[stage - 1])))
                features = torch.lerp(coarse.float(), features.float(), alpha)
        features = activate(self.last(minibatch_stddev(features, _VARIETY_GROUP)))
        features = activate(self.features(features.flatten(1)))
        scores = self.score(features).squeeze(1).float()
        if self.classes is not None:
            scores = scores + (self.classes(class_labels) * features).float().sum(1) / sqrt(features.shape[1])
        return scores  # type: ignore[no-any-return]


def channels_of(architecture: StyleGANArchitecture) -> list[int]:
    """Return the feature channels of every stage."""
    factors = architecture.progressive_layers_scaling_factors
    return [round(architecture.first_conv_channels * factor) for factor in factors]
