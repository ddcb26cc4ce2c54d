"""How differently a trained network sees two images: maps of its features, compared layer by layer."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from gandlf_synth.metrics.extractors.base import RGB, Extractor

_PLANE_STEP = 4
"""Of a volume's planes along each axis, one in so many is compared; another set in every training step."""
_SMALLEST = 32
"""Planes with a shorter side are enlarged: networks for planes halve the size five times."""
_TINY = 1e-10


class PerceptualDistance(nn.Module):
    """The distance of Zhang et al. 2018 (arXiv 1801.03924, eq. 1), all channels of a layer weighing the same.

    A network for planes sees a volume as planes along its three axes (MONAI's 2.5D rule).

    Args:
        extractor: whose layers are compared; it is not trained.
        spatial_dims: of the images.

    Example:
        >>> from gandlf_synth.metrics.extractors import build_extractor
        >>> distance = PerceptualDistance(build_extractor("random-conv"), spatial_dims=2)
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


def _planes(output: Tensor, images: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Return every fourth plane across ``axis`` of both; from the middle of four where nothing is trained."""
    step = min(_PLANE_STEP, output.shape[axis])
    start = int(torch.randint(step, ())) if torch.is_grad_enabled() else step // 2
    planes = [batch.movedim(axis, 1)[:, start::step].flatten(0, 1) for batch in (output, images)]
    return planes[0], planes[1]
