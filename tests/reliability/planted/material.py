"""What flaws are planted in, and how far values reach there."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from tests.reliability.planted.real_sets import Array, Labeled


@dataclass(frozen=True)
class Material:
    """What synthetic images are made of.

    Args:
        other: real images that are neither real nor train.
        train: the images that the model was trained on.
        rng: for everything that is random.
    """

    other: Labeled
    train: Labeled
    rng: np.random.Generator

    @cached_property
    def low(self) -> float:
        return float(np.percentile(self._values, 1))

    @cached_property
    def span(self) -> float:
        """The range of the values of all images; in volumes of wild ranges that of the one in the middle."""
        return float(np.percentile(self._values, 99.5)) - self.low

    def around(self, image: Array) -> "Material":
        """Return what an image is changed by: where ranges are wild, a model learns each image in its own range."""
        return replace(self, other=Labeled([image], [""])) if self._is_wild else self

    @cached_property
    def _tops(self) -> Array:
        return np.array([np.percentile(image, 99.5) for image in self.other.images])

    @cached_property
    def _is_wild(self) -> bool:
        tenth, ninetieth = np.percentile(self._tops, [10, 90])
        return bool(ninetieth > 4 * tenth)

    @cached_property
    def _values(self) -> Array:
        usual = np.flatnonzero(self._tops <= 2 * np.median(self._tops))
        images = [self.other.images[place] for place in usual]
        return np.concatenate([image.ravel()[:: max(1, image.size // 2000)] for image in images])
