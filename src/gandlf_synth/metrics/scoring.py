"""One score for images that are not on disk: the kernel distance of a model's samples to real images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gandlf_synth.metrics.extractors import Extractor
from gandlf_synth.metrics.intervals import Estimate, bootstrap
from gandlf_synth.metrics.kernel import cubic_kernel
from gandlf_synth.metrics.prdc import Prdc, prdc
from gandlf_synth.metrics.stacks import stacks, to_unit

Floats = NDArray[np.floating[Any]]
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
    """
    return np.concatenate([_features(batch, extractor) for batch in batches])


def score(real: Floats, synthetic: Floats, *, repeats: int = 200, seed: int = 0) -> Score:
    """Return how near ``synthetic`` is to ``real``, both as ``features`` returns them."""
    kernels = [_Kernels(real[:, stack], synthetic[:, stack]) for stack in range(real.shape[1])]

    def distance(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
        return float(np.mean([each.distance(a, b) for each in kernels]))

    groups: Sequence[Any] = [[f"{index:09d}" for index in range(len(each))] for each in (real, synthetic)]
    return Score(
        bootstrap(distance, groups, repeats=repeats, seed=seed),
        prdc(real.reshape(len(real), -1), synthetic.reshape(len(synthetic), -1)),
    )


class _Kernels:
    """The cubic kernel between images of one stack, each image's slices averaged; computed once for all resamplings."""

    def __init__(self, real: Floats, synthetic: Floats) -> None:
        self._real = _between(real, real)
        self._synthetic = _between(synthetic, synthetic)
        self._cross = _between(real, synthetic)

    def distance(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
        """Return the squared discrepancy of images ``a`` and ``b``; pairs of an image with itself are left out."""
        return _within(self._real, a) + _within(self._synthetic, b) - 2 * float(self._cross[np.ix_(a, b)].mean())


def _between(one: Floats, other: Floats) -> Floats:
    values = cubic_kernel(
        one.reshape(-1, one.shape[-1]).astype(np.float64), other.reshape(-1, other.shape[-1]).astype(np.float64)
    )
    means: Floats = values.reshape(len(one), one.shape[1], len(other), other.shape[1]).mean(axis=(1, 3))
    return means


def _within(kernel: Floats, chosen: NDArray[np.int64]) -> float:
    different = chosen[:, None] != chosen[None, :]
    return float(kernel[np.ix_(chosen, chosen)][different].mean())


@torch.inference_mode()
def _features(images: Tensor, extractor: Extractor) -> Floats:
    if extractor.takes_volumes:
        return extractor(to_unit(images)).numpy()[:, None, None]
    return np.stack([_of_stack(stack, extractor) for stack in stacks(images)], axis=1)


def _of_stack(stack: Tensor, extractor: Extractor) -> Floats:
    planes = stack.flatten(0, 1)
    rows = torch.cat([extractor(part) for part in torch.split(planes, _CHUNK)])
    return rows.view(*stack.shape[:2], -1).numpy()
