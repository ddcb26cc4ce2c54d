"""How differently a trained network sees an original and its reconstruction."""

from functools import cache
from pathlib import Path

import numpy as np
import torch

from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.metrics.extractors import build_extractor
from gandlf_synth.metrics.paired.base import Array, DataRange, Mask, boxed, value_limits
from gandlf_synth.metrics.perceptual import PerceptualDistance


def perceptual_distance(
    original: Array,
    reconstruction: Array,
    mask: Mask | None = None,
    /,
    *,
    network: str = "efficientnet-lite0",
    weights: Path | None = None,
    data_range: DataRange = "original",
) -> float:
    """Return how differently a network sees two images: 0 for equal ones, at most 4.

    This is the learned distance of Zhang et al. 2018 (LPIPS, eq. 1) with all channels of a layer weighing the same,
    and with a network that is at hand. Its numbers are not those of the package ``lpips``; they are compared with
    numbers of the same network only. Volumes are compared by every fourth plane along each axis. A mask is taken with
    the box around it.

    Args:
        original: ``(channels, *shape)``.
        reconstruction: ``(channels, *shape)``.
        mask: the voxels that count, ``(*shape)``.
        network: a registered feature extractor that has layers.
        weights: the file of its weights, where it brings none.
        data_range: what the range is; values are brought into it.

    Raises:
        ConfigError: the network has no layers, or its weights are missing.
        MissingExtraError: the package with the weights is not installed.

    >>> image = np.random.default_rng(0).random((1, 40, 40))
    >>> perceptual_distance(image, image, network="random-conv")
    0.0
    """
    low, high = value_limits(original, reconstruction, mask, data_range)
    images = [
        torch.from_numpy(np.clip((image - low) / (high - low), 0, 1).astype(np.float32) * 2 - 1)[None]
        for image in boxed(original, reconstruction, mask)
    ]
    with torch.inference_mode():
        return float(build_distance(network, weights, original.ndim - 1)(*images))


@cache
def build_distance(network: str, weights: Path | None, spatial_dims: int) -> PerceptualDistance:
    """Return the distance by a feature extractor; the same one for the same arguments.

    Raises:
        ConfigError: it has no layers or does not suit the images, or its weights are missing.
        MissingExtraError: the package with the weights is not installed.
    """
    extractor = build_extractor(network, weights)
    if not extractor.layers or spatial_dims < extractor.spatial_dims:
        what = "has no layers to compare" if not extractor.layers else "looks at volumes and the images are 2D"
        allowed = "efficientnet-lite0 and radimagenet-resnet50 for planes, medicalnet for volumes"
        raise ConfigError(Problem("perceptual_distance", f"{network} {what}", allowed))
    return PerceptualDistance(extractor, spatial_dims)
