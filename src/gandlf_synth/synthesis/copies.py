"""A gate that copies of training images do not pass."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gandlf_synth.errors import ConfigError, Problem, option
from gandlf_synth.metrics.memorization import Images, match, threshold
from gandlf_synth.metrics.slicing import cut_stacks, resize_planes, to_unit

FALSE_ALARM = 0.01
"""Share of real images of other subjects that would be taken for copies; as ``evaluate`` has it."""
TRIES = 20
_FEWEST = 20
_LONGEST_SIDE = 128


@dataclass(frozen=True)
class CopyGate:
    """Knows the training images, and how alike two subjects may be.

    Args:
        training: planes of the training images.
        limit: the correlation from which an image is a copy.
    """

    training: Images
    limit: float

    def correlations(self, images: Tensor) -> NDArray[np.float64]:
        """Return how alike each of ``images (batch, channels, *shape)`` in [-1, 1] and its nearest neighbour are."""
        return match(planes(images), self.training).correlation


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
    if len(set(subjects)) < _FEWEST:
        what = f"holds {len(set(subjects))} subjects, too few to tell copies from patients who look alike"
        raise ConfigError(Problem(where, what, f"{_FEWEST} or more", f"leave {option('refuse_copies')} out"))
    training = np.concatenate([planes(batch) for batch in batches])
    others = match(training, training, query_groups=subjects, reference_groups=subjects)
    return CopyGate(training, threshold(others.correlation, FALSE_ALARM))


def planes(images: Tensor) -> Images:
    """Return ``(batch, stacks, slices, channels, rows, columns)`` float16; the stacks of a volume made square."""
    parts = cut_stacks(to_unit(images.cpu()))
    sides = [min(length, _LONGEST_SIDE) for length in parts[0].shape[-2:]]
    size = (max(sides), max(sides)) if len(parts) > 1 else (sides[0], sides[1])
    return np.stack([_resize(part, size).numpy().astype(np.float16) for part in parts], axis=1)


def _resize(stack: Tensor, size: tuple[int, int]) -> Tensor:
    return torch.unflatten(resize_planes(stack.flatten(0, 1), size), 0, stack.shape[:2])
