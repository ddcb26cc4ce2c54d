"""How differently a trained network sees two images: maps of its features, compared layer by layer."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.metrics.extractors import Extractor, build_extractor

_PLANE_STEP = 4
"""Of a volume's planes along each axis, one in so many is compared; another set in every training step."""
_SMALLEST = 32
"""Planes with a shorter side are enlarged: networks for planes halve the size five times."""
_TINY = 1e-10
_RGB = 3


class PerceptualDistance(nn.Module):
    """The distance of Zhang et al. 2018 (arXiv 1801.03924, eq. 1), all channels of a layer weighing the same.

    A network for planes sees a volume as planes along its three axes (MONAI's 2.5D rule).

    Args:
        extractor: whose layers are compared; it is not trained.
        spatial_dims: of the images.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, extractor: Extractor, spatial_dims: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(extractor.layers).eval().requires_grad_(False)
        self.by_planes = spatial_dims > extractor.spatial_dims
        self.colour = not extractor.takes_volumes
        for name in ("mean", "deviation"):
            self.register_buffer(name, torch.tensor(getattr(extractor, name))[:, None, None])

    def forward(self, output: Tensor, images: Tensor) -> Tensor:
        """Return the mean distance of two batches ``(batch, channels, *shape)`` in [-1, 1], a scalar."""
        if not self.by_planes:
            return self._distance(output, images)
        axes = range(2, output.ndim)
        return torch.stack([self._distance(*_planes(output, images, axis)) for axis in axes]).mean()

    def _distance(self, output: Tensor, images: Tensor) -> Tensor:
        features = self._input(torch.cat([output, images]))
        total = features.new_zeros(())
        for layer in self.layers:
            features = layer(features)
            seen = functional.normalize(features.float(), dim=1, eps=_TINY)
            made, real = seen.chunk(2)
            total = total + (made - real).square().sum(dim=1).mean()
        return total / len(self.layers)

    def _input(self, images: Tensor) -> Tensor:
        """Return the images as the network was trained to see them; channels that are no colours one by one."""
        if not self.colour:
            volumes = images.flatten(0, 1)[:, None]
            deviation, mean = torch.std_mean(volumes, dim=(2, 3, 4), keepdim=True)
            return (volumes - mean) / deviation.clamp(min=1e-3)
        if images.shape[1] != _RGB:
            images = images.flatten(0, 1)[:, None].expand(-1, _RGB, -1, -1)
        enlarged = _SMALLEST / min(images.shape[2:])
        if enlarged > 1:
            size = [round(length * enlarged) for length in images.shape[2:]]
            images = functional.interpolate(images, size, mode="bilinear")
        return ((images + 1) / 2 - self.mean) / self.deviation


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


_KNOWN = "efficientnet-lite0 and radimagenet-resnet50 for planes, medicalnet for volumes"


def _in_configuration(problem: Problem, where: str) -> Problem:
    """Return ``problem`` in words of the configuration instead of the command line."""
    fix = problem.fix.replace("--extractor-weights", "model_config.perceptual_weights")
    place = f"{where.rpartition('.')[0]}.perceptual_weights" if "weights" in problem.where else where
    return replace(problem, where=place, fix=fix)


def _planes(output: Tensor, images: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Return every fourth plane across ``axis`` of both; from the middle of four where nothing is trained."""
    step = min(_PLANE_STEP, output.shape[axis])
    start = int(torch.randint(step, ())) if torch.is_grad_enabled() else step // 2
    chosen = [batch.movedim(axis, 1)[:, start::step].flatten(0, 1) for batch in (output, images)]
    return chosen[0], chosen[1]
