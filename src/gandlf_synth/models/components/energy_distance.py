"""How far apart two sets of images are, cheaply enough for every validation."""

import torch
from torch import Tensor

from gandlf_synth.networks.resampling import adaptive_avg_pool, upsample

_SIDE = {2: 8, 3: 5}
"""Cells along the longest side in which images are compared, by dimensions."""
_SCALES = 3


class EnergyDistance:
    """The energy distance between two sets of images (Székely & Rizzo 2013, doi 10.1016/j.jspi.2013.03.018).

    ``2 E‖x - y‖ - E‖x - x'‖ - E‖y - y'‖`` over pairs of different images: unbiased, whatever the number of images, and
    in expectation 0 exactly where both sets have one distribution. Images are compared by their brightness and by their
    detail at three scales, in the cells of a coarse grid, each in units of its standard deviation over the real images:
    so blur and noise count as much as wrong shapes.

    Args:
        capacity: images of each set that are kept; further ones are left out.

    Example:
        >>> distance = EnergyDistance()
        >>> distance.update(real=torch.zeros(4, 1, 16, 16), fake=torch.ones(4, 1, 16, 16))
        >>> bool(distance.compute() > 1)
        True
    """

    def __init__(self, capacity: int = 1024) -> None:
        self._capacity = capacity
        self._sets: tuple[list[Tensor], list[Tensor]] = ([], [])

    def update(self, real: Tensor, fake: Tensor) -> None:
        """Add images ``(batch, channels, *spatial)`` to the two sets, as long as there is room."""
        if sum(map(len, self._sets[0])) < self._capacity:
            for features, images in zip(self._sets, (real, fake), strict=True):
                features.append(_features(images))

    def compute(self) -> Tensor:
        """Return the distance of what was added, and forget it."""
        real, fake = (torch.cat(features) for features in self._sets)
        self._sets = ([], [])
        deviation = real.std(0, correction=0)
        scale = (deviation + 0.1 * deviation.mean() + 1e-6) * real.shape[1] ** 0.5
        real, fake = real / scale, fake / scale
        return 2 * torch.cdist(real, fake).mean() - _within(real) - _within(fake)


def _within(features: Tensor) -> Tensor:
    pairs = len(features) * max(1, len(features) - 1)
    return torch.cdist(features, features).sum() / pairs


def _features(images: Tensor) -> Tensor:
    """Return brightness and detail of each image in the cells of a grid, ``(batch, features)``."""
    images = images.float()
    cells = [min(size, _SIDE[images.ndim - 2]) for size in images.shape[2:]]
    features = [adaptive_avg_pool(images, cells)]
    for _ in range(_SCALES):
        coarser = adaptive_avg_pool(images, [max(1, size // 2) for size in images.shape[2:]])
        detail = (images - upsample(coarser, images.shape[2:])).abs()
        features.append(
            adaptive_avg_pool(detail, [min(size, cell) for size, cell in zip(images.shape[2:], cells, strict=True)])
        )
        images = coarser
    return torch.cat([values.flatten(1) for values in features], 1)
