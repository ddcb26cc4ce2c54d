"""One score for images that are not on disk: the kernel distance of a model's samples to real images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gandlf_synth.metrics.extractors import Extractor
from gandlf_synth.metrics.intervals import Estimate, Floats
from gandlf_synth.metrics.kernel import image_kernel_distance
from gandlf_synth.metrics.prdc import NEIGHBORS, Prdc, prdc
from gandlf_synth.metrics.slicing import cut_stacks, to_unit

_CHUNK = 32


@dataclass(frozen=True)
class Score:
    """How near samples are to real images.

    Args:
        kid: the kernel distance, the mean over stacks of slices for volumes, with its interval over images.
        overlap: precision, recall, density and coverage.
    """

    kid: Estimate
    overlap: Prdc


def features(batches: Iterable[Tensor], extractor: Extractor) -> Floats:
    """Return features of images, ``(images, stacks, slices, dimension)``.

    In 2D, and of whole volumes, there is one stack of one slice.

    Args:
        batches: each ``(batch, channels, *shape)`` in [-1, 1].
        extractor: turns planes or volumes into features.

    >>> from gandlf_synth.metrics.extractors import build_extractor
    >>> features([torch.zeros(2, 1, 16, 16)], build_extractor("random-conv")).shape
    (2, 1, 1, 64)
    """
    return np.concatenate([_features(batch, extractor) for batch in batches])


def score(
    real: Floats,
    synthetic: Floats,
    real_subjects: Sequence[str] | None = None,
    synthetic_subjects: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> Score:
    """Return how near ``synthetic`` is to ``real``, both as ``features`` returns them.

    Where no subjects are given, or all images of a set are of one, each image counts as a subject of its own.

    >>> rng = np.random.default_rng(0)
    >>> near, far = (score(rng.normal(size=(40, 1, 1, 8)), rng.normal(shift, 1, (40, 1, 1, 8))) for shift in (0, 2))
    >>> near.kid.high < far.kid.low, far.overlap.coverage < 0.1
    (True, True)
    """
    given = (real_subjects, real), (synthetic_subjects, synthetic)
    subjects = [names if names and len(set(names)) > 1 else _apart(part) for names, part in given]
    enough = all(len(set(names)) > NEIGHBORS for names in subjects)
    neighbors = subjects if enough else [_apart(part) for _, part in given]
    return Score(
        image_kernel_distance(real, synthetic, *subjects, seed=seed),
        prdc(real.reshape(len(real), -1), synthetic.reshape(len(synthetic), -1), NEIGHBORS, *neighbors),
    )


def _apart(images: Floats) -> list[str]:
    """Return a subject for each image."""
    return [str(place) for place in range(len(images))]


@torch.inference_mode()
def _features(images: Tensor, extractor: Extractor) -> Floats:
    if extractor.takes_volumes:
        return extractor(to_unit(images)).numpy()[:, None, None]
    return np.stack([_of_stack(stack, extractor) for stack in cut_stacks(to_unit(images))], axis=1)


def _of_stack(stack: Tensor, extractor: Extractor) -> Floats:
    planes = stack.flatten(0, 1)
    rows = torch.cat([extractor(part) for part in torch.split(planes, _CHUNK)])
    return rows.view(*stack.shape[:2], -1).numpy()
