"""Generator and critic of a StyleGAN (Karras et al. 2018, arXiv 1812.04948), which grow with the stage (1710.10196).

Any size in 2D and 3D. Stage 0 makes the coarsest images; each stage after it adds a finer resolution.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import prod, sqrt

import torch
from torch import Tensor, nn

from gandlf_synth.networks.equalized_layers import (
    EqualizedConvolution,
    EqualizedLinear,
    activate,
    minibatch_stddev,
    pixel_norm,
)
from gandlf_synth.networks.noise_inputs import NoiseInputs
from gandlf_synth.networks.resampling import adaptive_avg_pool, upsample

_MAPPING_LAYERS = 8
_MAPPING_RATE = 0.01
_STDDEV_GROUP = 4


class Generator(nn.Module):
    """Mapping and growing synthesis network.

    Args:
        shape: size of an image in the last stage, 2D or 3D.
        channels: image channels.
        stage_channels: feature channels of every stage, from the coarsest.
        num_classes: 0 without classes.
        latent_vector_size: numbers from which an image is made.
        intermediate_latent_size: size of a style.
        growth_factor: factor of the size from one stage to the next.

    Example:
        >>> from gandlf_synth.networks.noise_inputs import random_noise
        >>> sizes = {"latent_vector_size": 8, "intermediate_latent_size": 8}
        >>> generator = Generator(shape=(16, 16), channels=1, stage_channels=[8, 8, 4], **sizes)
        >>> latents = torch.randn(2, 8)
        >>> [tuple(generator(latents, None, random_noise(2), stage, 1.0).shape) for stage in range(3)]
        [(2, 1, 4, 4), (2, 1, 8, 8), (2, 1, 16, 16)]
    """

    def __init__(
        self,
        *,
        shape: Sequence[int],
        channels: int,
        stage_channels: Sequence[int],
        num_classes: int = 0,
        latent_vector_size: int = 512,
        intermediate_latent_size: int = 512,
        growth_factor: int = 2,
    ) -> None:
        super().__init__()
        self.shapes = stage_shapes(shape, len(stage_channels), growth_factor)
        dims, style, coarsest = len(shape), intermediate_latent_size, stage_channels[0]
        sizes = [latent_vector_size * (2 if num_classes else 1), *[style] * _MAPPING_LAYERS]
        self.classes = nn.Embedding(num_classes, latent_vector_size) if num_classes else None
        self.mapping = nn.ModuleList(EqualizedLinear(*pair, rate=_MAPPING_RATE) for pair in pairwise(sizes))
        self.constant = nn.Parameter(torch.ones(1, coarsest, *self.shapes[0]))
        self.entry = _StyledLayer(dims, coarsest, style)
        self.convolution = EqualizedConvolution(dims, coarsest, coarsest, 3)
        self.second = _StyledLayer(dims, coarsest, style)
        self.blocks = nn.ModuleList(_GrowingBlock(dims, *pair, style) for pair in pairwise(stage_channels))
        self.images = nn.ModuleList(EqualizedConvolution(dims, width, channels, 1) for width in stage_channels)

    def forward(
        self, latents: Tensor, class_labels: Tensor | None, noise: NoiseInputs, stage: int, alpha: float
    ) -> Tensor:
        """Return images ``(batch, channels, *shapes[stage])`` in [-1, 1], in 32 bits.

        Args:
            latents: ``(batch, latent_vector_size)``, standard normal.
            class_labels: ``(batch,)``, class indices, or None without classes.
            noise: gives the noise for each layer.
            stage: resolution, counted from 0.
            alpha: weight of this resolution beside the one before (1710.10196, fig. 2).
        """
        style = self._style(latents, class_labels)
        features = self.constant.expand(len(latents), *self.constant.shape[1:])
        features = self.second(self.convolution(self.entry(features, style, noise)), style, noise)
        coarse = features
        for block, shape in zip(self.blocks[:stage], self.shapes[1:], strict=False):
            coarse, features = features, block(features, style, noise, shape)
        image: Tensor = self.images[stage](features)
        if stage and alpha < 1:
            enlarged = upsample(self.images[stage - 1](coarse), self.shapes[stage])
            image = torch.lerp(enlarged.float(), image.float(), alpha)
        return image.float().tanh()

    def _style(self, latents: Tensor, class_labels: Tensor | None) -> Tensor:
        values = pixel_norm(latents)
        if self.classes is not None:
            values = torch.cat([values, pixel_norm(self.classes(class_labels))], 1)
        for layer in self.mapping:
            values = activate(layer(values))
        return values


class _StyledLayer(nn.Module):
    """Noise, activation and adaptive instance normalization (1812.04948, eq. 1)."""

    def __init__(self, dims: int, channels: int, style: int) -> None:
        super().__init__()
        self.noise_strength = nn.Parameter(torch.zeros(1, channels, *[1] * dims))
        self.scale = EqualizedLinear(style, channels, bias=1.0)
        self.shift = EqualizedLinear(style, channels)

    def forward(self, features: Tensor, style: Tensor, noise: NoiseInputs) -> Tensor:
        shape = tuple(features.shape[2:])
        features = activate(features.float() + self.noise_strength * noise(shape))
        axes, ones = tuple(range(2, features.ndim)), [1] * len(shape)
        scale, shift = self.scale(style), self.shift(style)
        # Centered first: where a channel is even, as it begins, group_norm would leave rounding, 10,000 times as large.
        centered = features - features.mean(axes, keepdim=True)
        normalized = centered * (centered.square().mean(axes, keepdim=True) + 1e-8).rsqrt()
        styled: Tensor = scale.view(*scale.shape, *ones) * normalized + shift.view(*shift.shape, *ones)
        return styled


class _GrowingBlock(nn.Module):
    """What a stage adds to the generator: two convolutions at the next finer resolution."""

    def __init__(self, dims: int, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.first = EqualizedConvolution(dims, inputs, outputs, 3)
        self.second = EqualizedConvolution(dims, outputs, outputs, 3)
        self.layers = nn.ModuleList(_StyledLayer(dims, outputs, style) for _ in range(2))

    def forward(self, features: Tensor, style: Tensor, noise: NoiseInputs, shape: tuple[int, ...]) -> Tensor:
        features = self.layers[0](self.first(upsample(features, shape)), style, noise)
        finer: Tensor = self.layers[1](self.second(features), style, noise)
        return finer


class Discriminator(nn.Module):
    """Critic that shrinks images stage by stage; classes by projection.

    Args:
        shape: size of an image in the last stage, 2D or 3D.
        channels: image channels.
        stage_channels: feature channels of every stage, from the coarsest.
        num_classes: 0 without classes.
        growth_factor: factor of the size from one stage to the next.

    Example:
        >>> critic = Discriminator(shape=(16, 16), channels=1, stage_channels=[8, 8, 4])
        >>> critic(torch.randn(2, 1, 8, 8), None, stage=1, alpha=0.5).shape
        torch.Size([2])
    """

    def __init__(
        self,
        *,
        shape: Sequence[int],
        channels: int,
        stage_channels: Sequence[int],
        num_classes: int = 0,
        growth_factor: int = 2,
    ) -> None:
        super().__init__()
        self.shapes = stage_shapes(shape, len(stage_channels), growth_factor)
        dims, coarsest = len(shape), stage_channels[0]
        self.entries = nn.ModuleList(EqualizedConvolution(dims, channels, width, 1) for width in stage_channels)
        self.blocks = nn.ModuleList(_ShrinkingBlock(dims, fine, coarse) for coarse, fine in pairwise(stage_channels))
        self.last = EqualizedConvolution(dims, coarsest + 1, coarsest, 3)
        self.features = EqualizedLinear(coarsest * prod(self.shapes[0]), coarsest)
        self.score = EqualizedLinear(coarsest, 1)
        self.classes = nn.Embedding(num_classes, coarsest) if num_classes else None

    def forward(self, images: Tensor, class_labels: Tensor | None, stage: int, alpha: float) -> Tensor:
        """Return the scores ``(batch,)`` of ``images (batch, channels, *shapes[stage])``, in 32 bits."""
        features = activate(self.entries[stage](images))
        for level in range(stage, 0, -1):
            features = self.blocks[level - 1](features, self.shapes[level - 1])
            if level == stage and alpha < 1:
                coarse = activate(self.entries[stage - 1](adaptive_avg_pool(images, self.shapes[stage - 1])))
                features = torch.lerp(coarse.float(), features.float(), alpha)
        features = activate(self.last(minibatch_stddev(features, _STDDEV_GROUP)))
        features = activate(self.features(features.flatten(1)))
        scores: Tensor = self.score(features).squeeze(1).float()
        if self.classes is not None:
            scores = scores + (self.classes(class_labels) * features).float().sum(1) / sqrt(features.shape[1])
        return scores


class _ShrinkingBlock(nn.Module):
    """What a stage adds to the critic: two convolutions, then means at the next coarser resolution."""

    def __init__(self, dims: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = EqualizedConvolution(dims, inputs, inputs, 3)
        self.second = EqualizedConvolution(dims, inputs, outputs, 3)

    def forward(self, features: Tensor, shape: tuple[int, ...]) -> Tensor:
        return adaptive_avg_pool(activate(self.second(activate(self.first(features)))), shape)


def stage_shapes(shape: Sequence[int], num_stages: int, growth_factor: int = 2) -> list[tuple[int, ...]]:
    """Return the size of an image in every stage, the last being ``shape``.

    Example:
        >>> stage_shapes((16, 12), 3)
        [(4, 3), (8, 6), (16, 12)]
    """
    last = num_stages - 1
    return [tuple(-(-size // growth_factor ** (last - stage)) for size in shape) for stage in range(num_stages)]
