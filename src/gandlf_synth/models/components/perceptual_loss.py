"""How differently a trained network sees two images: maps of its features, compared layer by layer."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gandlf_synth.errors import ConfigError, Problem, option
from gandlf_synth.metrics.extractors import Extractor, build_extractor
from gandlf_synth.metrics.extractors.base import RGB

_PLANE_STEP = 4
"""Of a volume's planes along each axis, one in so many is compared; another set in every training step."""
_SMALLEST = 32
"""Planes with a shorter side are enlarged: networks for planes halve the size five times."""
_TINY = 1e-10
_KNOWN = "efficientnet-lite0 and radimagenet-resnet50 for planes, medicalnet for volumes"


class PerceptualDistance(nn.Module):
    """The distance of Zhang et al. 2018 (arXiv 1801.03924, eq. 1), all channels of a layer weighing the same.

    A network for planes sees a volume as planes along its three axes (MONAI's 2.5D rule).

    Args:
        extractor: whose layers are compared; it is not trained.
        spatial_dims: of the images.

    Example:
        >>> distance = build_perceptual("random-conv", weights=None, spatial_dims=2)
        >>> images = torch.rand(2, 1, 32, 32) * 2 - 1
        >>> float(distance(images, images)), bool(distance(-images, images) > 0)
        (0.0, True)
    """

    def __init__(self, extractor: Extractor, spatial_dims: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(extractor.layers).eval().requires_grad_(False)
        self.extractor = extractor
        self.by_planes = spatial_dims > extractor.spatial_dims

    def forward(self, output: Tensor, images: Tensor) -> Tensor:
        """Return the mean distance of two batches ``(batch, channels, *shape)`` in [-1, 1], a scalar."""
        if not self.by_planes:
            return self._distance(output, images)
        axes = range(2, output.ndim)
        return torch.stack([self._distance(*_planes(output, images, axis)) for axis in axes]).mean()

    def _distance(self, output: Tensor, images: Tensor) -> Tensor:
        output, images = self._input(output), self._input(images)
        distances = []
        for layer in self.layers:
            output = layer(output)
            with torch.no_grad():  # half of the backward pass would be for images that nothing learns
                images = layer(images)
            first, second = (functional.normalize(maps.float(), dim=1, eps=_TINY) for maps in (output, images))
            distances.append((first - second).square().sum(dim=1).mean())
        return torch.stack(distances).mean()

    def _input(self, images: Tensor) -> Tensor:
        """Return the images as the network was trained to see them; channels that are no colors one by one."""
        if self.extractor.takes_volumes:
            volumes = images.flatten(0, 1)[:, None]
            deviation, mean = torch.std_mean(volumes, dim=(2, 3, 4), keepdim=True)
            return (volumes - mean) / deviation.clamp(min=1e-3)
        if images.shape[1] != RGB:
            images = images.flatten(0, 1)[:, None]
        enlargement = _SMALLEST / min(images.shape[2:])
        if enlargement > 1:
            size = [round(length * enlargement) for length in images.shape[2:]]
            images = functional.interpolate(images, size, mode="bilinear")
        return self.extractor.normalized((images + 1) / 2)


def build_perceptual(name: str, weights: Path | None, spatial_dims: int) -> PerceptualDistance:
    """Return the distance by the feature extractor ``name`` of the registry.

    Args:
        name: such as ``efficientnet-lite0``.
        weights: the file of weights, for those that have none of their own.
        spatial_dims: of the images.

    Raises:
        ConfigError: the name is unknown, its weights are missing or of another network, or it does not suit the images.
        MissingExtraError: the package with the weights is not installed.
    """
    where = "model_config.perceptual_network"
    try:
        extractor = build_extractor(name, weights)
    except ConfigError as error:
        raise ConfigError(*(_in_configuration(problem, where) for problem in error.problems)) from error
    if not extractor.layers:
        raise ConfigError(Problem(where, f"{name} gives features of whole images, without layers to compare", _KNOWN))
    if spatial_dims < extractor.spatial_dims:
        raise ConfigError(Problem(where, f"{name} looks at volumes and the images are 2D", _KNOWN))
    return PerceptualDistance(extractor, spatial_dims)


def _in_configuration(problem: Problem, network: str) -> Problem:
    """Return ``problem`` in words of the configuration instead of the command line."""
    where, fix = (
        text.replace(option("extractor_weights"), "model_config.perceptual_weights")
        for text in (problem.where, problem.fix)
    )
    return replace(problem, where=network if where == problem.where else where, fix=fix)


def _planes(output: Tensor, images: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Return every fourth plane across ``axis`` of both; from the middle of four where nothing is trained."""
    step = min(_PLANE_STEP, output.shape[axis])
    start = int(torch.randint(step, ())) if torch.is_grad_enabled() else step // 2
    planes = [batch.movedim(axis, 1)[:, start::step].flatten(0, 1) for batch in (output, images)]
    return planes[0], planes[1]
