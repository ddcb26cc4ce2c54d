"""What a degradation is: something that may have been done to real images, with words for it.

Functions of the registry group ``causes`` give them: each knows one kind, such as what a scanner does, and says by how
much it must have been done.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.evaluation.causes.appearance import Planes
from gandlf_synth.evaluation.causes.clipped_files import Ends
from gandlf_synth.metrics.intervals import Floats


@dataclass(frozen=True)
class ComparedPlanes:
    """Real and synthetic images that differ, for which a cause is sought.

    Args:
        real: the images to change.
        synthetic: what they should become.
        seed: of everything random.
        ends: at which ends of their range the files of the synthetic images are clipped.
    """

    real: Planes
    synthetic: Planes
    seed: int = 0
    ends: Ends = (True, True)


@dataclass(frozen=True)
class Degradation:
    """A change of images.

    Args:
        name: of the cause.
        sentence: what is wrong with images that look like this.
        apply: planes → planes.
        handicap: the share of the difference by which it must be better than others, because it is free to fit more.
    """

    name: str
    sentence: str
    apply: Callable[[Planes], Planes]
    handicap: float = 0.0


def clipped(planes: NDArray[np.floating]) -> Planes:
    """Return planes with values in [0, 1], as all images are compared."""
    values: Planes = planes.clip(0, 1).astype(np.float32)
    return values


def median_quantile(planes: Planes, share: float) -> float:
    """Return the median over images of the value below which a share of the pixels lies."""
    return float(np.median(np.quantile(planes.reshape(len(planes), -1), share, axis=1)))


def per_image(planes: Planes, statistic: Callable[..., Floats]) -> Floats:
    """Return a statistic of all pixels of each image, in a shape that goes with the planes."""
    values: Floats = np.asarray(statistic(planes.reshape(len(planes), -1), axis=1))
    return values[:, None, None, None, None]


def each_plane(planes: Planes, change: Callable[[NDArray[np.float32]], NDArray[np.floating]]) -> Planes:
    """Return planes of which ``change`` has changed each, given as ``(channels, rows, columns)``."""
    flat = planes.reshape(-1, *planes.shape[2:])
    return clipped(np.stack([change(plane) for plane in flat]).reshape(planes.shape))
