"""A gate that copies of training images do not pass."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gandlf_synth.errors import ConfigError, Problem, option
from gandlf_synth.metrics.copy_limit import FEWEST, CopyLimit, fit_copy_limit
from gandlf_synth.metrics.detail import Pixels, resize_images
from gandlf_synth.metrics.memorization import CopySearch
from gandlf_synth.metrics.slicing import to_unit

FALSE_ALARM = 0.01
"""Share of real images of other subjects that would be taken for copies; as ``evaluate`` has it."""
TRIES = 20
_LONGEST_SIDE = {2: 128, 3: 40}


@dataclass(frozen=True)
class Nearness:
    """What the gate says of an image.

    Args:
        correlation: with the training image most like it, of the pixels.
        kind: what was done to that image, in words.
        copy: whether it is too like it.
    """

    correlation: float
    kind: str
    copy: bool


@dataclass(frozen=True)
class CopyGate:
    """Knows the training images, and how alike two subjects may be.

    Args:
        search: finds the training image most like an image.
        limit: from where on it is a copy.
    """

    search: CopySearch
    limit: CopyLimit

    def judge(self, images: Tensor) -> list[Nearness]:
        """Return how near each of ``images (batch, channels, *shape)`` in [-1, 1] is to a training image."""
        matches = self.search.find(comparable(images))
        flagged = self.limit.flagged(matches)
        return [Nearness(float(matches.correlation[k]), matches.kind(k), bool(copy)) for k, copy in enumerate(flagged)]


def build_copy_gate(batches: Iterable[Tensor], subjects: Sequence[str], where: str) -> CopyGate:
    """Return the gate for training images.

    What is unusual follows from the training images themselves: each is compared with those of all other subjects.

    Args:
        batches: the training images, each ``(batch, channels, *shape)`` in [-1, 1].
        subjects: of each.
        where: what they were read from, for messages.

    Raises:
        ConfigError: too few subjects to tell what is unusual.
    """
    limit = None
    if len(set(subjects)) >= FEWEST:
        training = np.concatenate([comparable(batch) for batch in batches])
        search = CopySearch(training)
        limit = fit_copy_limit(search.find(training, subjects, subjects), FALSE_ALARM)
    if limit is None:
        what = f"holds {len(set(subjects))} subjects, too few to tell copies from patients who look alike"
        fix = f"leave {option('refuse_copies')} out"
        raise ConfigError(Problem(where, what, f"{FEWEST} or more that differ", fix))
    return CopyGate(search, limit)


def comparable(images: Tensor) -> Pixels:
    """Return ``images (batch, channels, *shape)`` in [0, 1] and small; volumes as ``(z, y, x)``."""
    dims = images.ndim - 2
    unit = to_unit(images.cpu())
    unit = unit.transpose(-1, -2) if dims == 2 else unit.transpose(-1, -3)
    factor = min(1.0, _LONGEST_SIDE[dims] / max(unit.shape[2:]))
    shape = tuple(max(1, round(length * factor)) for length in unit.shape[2:])
    small: NDArray[np.float16] = resize_images(unit.flatten(0, 1), shape).numpy().astype(np.float16)
    return small.reshape(*unit.shape[:2], *shape)
