"""How far apart two sets of images are, cheaply enough for every validation."""

import torch
from torch import Tensor
from torch.nn import functional

_SIDE = 12
"""Longest side at which images are compared."""


class EnergyDistance:
    """The energy distance between two sets of images (Székely & Rizzo 2013, doi 10.1016/j.jspi.2013.03.018).

    ``2 E‖x - y‖ - E‖x - x'‖ - E‖y - y'‖`` over pairs of different images: unbiased, whatever the number of images, and
    in expectation 0 exactly where both sets come from one distribution. Images are compared by their local mean and
    their local detail, what is left when the local mean is taken away, so that blur and noise count too. The unit is
    intensity in [-1, 1] (root mean square over the image).
    """

    def __init__(self, capacity: int = 1024) -> None:
        self._capacity = capacity
        self._sets: tuple[list[Tensor], list[Tensor]] = ([], [])

    def update(self, real: Tensor, fake: Tensor) -> None:
        """Add images ``(batch, channels, *spatial)`` to the two sets, as long as there is room."""
        if sum(map(len, self._sets[0])) < self._capacity:
            for kept, images in zip(self._sets, (real, fake), strict=True):
                kept.append(_features(images))

    def compute(self) -> Tensor:
        """Return the distance of what was added, and forget it."""
        real, fake = (torch.cat(kept) for kept in self._sets)
        self._sets = ([], [])
        return 2 * torch.cdist(real, fake).mean() - _within(real) - _within(fake)


def _within(features: Tensor) -> Tensor:
    pairs = len(features) * max(1, len(features) - 1)
    return torch.cdist(features, features).sum() / pairs


def _features(images: Tensor) -> Tensor:
    """Return local means and local detail of each image, ``(batch, features)``, scaled so that distances are RMS."""
    images = images.float()
    size = [min(length, _SIDE) for length in images.shape[2:]]
    pool = functional.adaptive_avg_pool2d if len(size) == 2 else functional.adaptive_avg_pool3d
    mean = pool(images, size)
    detail = pool((images - functional.interpolate(mean, images.shape[2:])).abs(), size)
    features = torch.cat([mean, detail], 1).flatten(1)
    return features / mean[0].numel() ** 0.5
