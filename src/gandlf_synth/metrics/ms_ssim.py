"""Multi-scale SSIM (Wang et al. 2003) between the images of one set, as a measure of variety (Odena et al. 2017)."""

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gandlf_synth.metrics.image_set import ImageSetFeatures, ImageSets
from gandlf_synth.metrics.intervals import Estimate, Floats, Indices, Subjects
from gandlf_synth.metrics.results import Measurement
from gandlf_synth.metrics.set_metric import FEWEST, Criterion, Measure, MeasureSettings, SetMetric, above_floor, too_few

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales (Wang et al. 2003, section 3.2)."""
_WINDOW = 11
_BATCH = 64


def scales_for(side: int) -> int:
    """Return how many of the five scales an image of ``side`` pixels has room for; 0 when it has for none.

    >>> [scales_for(side) for side in (8, 11, 28, 224)]
    [0, 1, 2, 5]
    """
    counts = range(1, len(_WEIGHTS) + 1)
    # the smallest scale is reflected by half a window, and torchmetrics wants so much of the largest
    fitting = [n for n in counts if side // 2 ** (n - 1) > _WINDOW // 2 and side // max(1, (n - 1) ** 2) >= _WINDOW]
    return max(fitting, default=0)


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the MS-SSIM of pairs ``(batch, channels, rows, columns)`` in [0, 1], ``(batch,)``.

    Small images use the scales that fit, with their weights brought to sum 1.

    >>> images = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> ms_ssim(images, images)
    tensor([1., 1.])
    """
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as measure

    count = scales_for(min(a.shape[-2:]))
    weights = np.array(_WEIGHTS[:count]) / sum(_WEIGHTS[:count])
    similarities: Tensor = measure(
        a, b, data_range=1.0, betas=tuple(weights.tolist()), normalize="relu", reduction="none", kernel_size=_WINDOW
    )
    return similarities.reshape(-1)


def pair_ms_ssim(images: Floats, pairs: Indices) -> NDArray[np.float64]:
    """Return the MS-SSIM of every pair of ``images (n, channels, rows, columns)``; ``pairs`` is ``(count, 2)``.

    >>> images = np.random.default_rng(0).random((3, 1, 32, 32))
    >>> pair_ms_ssim(images, np.array([[0, 0], [0, 1]])).round(1)
    array([1., 0.])
    """
    similarities = []
    for start in range(0, len(pairs), _BATCH):
        chunk = pairs[start : start + _BATCH]
        a, b = (torch.from_numpy(np.asarray(images[chunk[:, side]], dtype=np.float32)) for side in (0, 1))
        similarities.append(ms_ssim(a, b).numpy().astype(np.float64))
    return np.concatenate(similarities)


def balanced_pairs(groups: Subjects, count: int, rng: np.random.Generator) -> Indices:
    """Return about ``count`` pairs of images of different groups, ``(pairs, 2)``; none for a single group.

    The images lie on a ring in random order, and each is paired with those 1, 2, … places further, so that every image
    is in nearly as many pairs as every other one. Where one round is more than ``count``, images are left out.
    """
    ring = rng.permutation(len(groups))[:count]
    distances = range(1, max(1, min(count // max(len(ring), 1), (len(ring) - 1) // 2)) + 1)
    pairs = np.concatenate([np.stack([ring, np.roll(ring, -distance)], axis=1) for distance in distances])
    chosen: Indices = np.unique(np.sort(pairs[groups[pairs[:, 0]] != groups[pairs[:, 1]]], axis=1), axis=0)
    if len(chosen):
        return chosen
    firsts: Indices = np.unique(groups, return_index=True)[1]
    return firsts[None, :2] if len(firsts) > 1 else chosen


def mean_over_pairs(values: NDArray[np.float64], pairs: Indices, groups: Subjects) -> Estimate:
    """Return the mean of a number of pairs of images, with its interval.

    Pairs that share a subject are not independent: their products are in the variance (Aronow, Samii & Assenova 2015).

    Args:
        values: of each pair.
        pairs: the images of each pair, ``(pairs, 2)``.
        groups: the subject of each image.

    >>> pairs = np.array([[0, 1], [1, 2], [2, 3], [0, 3]])
    >>> mean_over_pairs(np.array([0.1, 0.3, 0.1, 0.3]), pairs, np.array(["a", "b", "c", "d"])).value
    0.2
    """
    from scipy.stats import t

    mean = float(values.mean())
    names, subjects = np.unique(groups[pairs], return_inverse=True)
    subjects = np.sort(subjects.reshape(pairs.shape), axis=1)
    deviations = values - mean
    of_subject = np.bincount(subjects.reshape(-1), np.repeat(deviations, 2), len(names))
    _, same = np.unique(subjects, axis=0, return_inverse=True)
    of_both = np.bincount(same.reshape(-1), deviations)
    count = len(names)
    variance = max(float((of_subject**2).sum() - (of_both**2).sum()), float((deviations**2).sum())) / len(values) ** 2
    spread = float(t.ppf(0.975, max(count - 1, 1)) * np.sqrt(variance)) * count / max(count - 2, 1)
    return Estimate(mean, mean - spread, mean + spread, "variance over pairs that share a subject")


class IntraSetMsSsim(SetMetric):
    """MS-SSIM between random synthetic images of the set: more than between real ones is a sign of mode collapse."""

    pairs: int = 400
    """About how many random pairs of different subjects are compared in each set."""

    position: ClassVar[int] = 60
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "ms_ssim", "Likeness among themselves (MS-SSIM)", "diverse", "lower",
            criterion=Criterion(
                "likeness", "MS-SSIM between synthetic images above that between real ones.", 0.05, 0.15, above_floor,
                "images differ among themselves as real ones do",
                "images are more alike than real ones: mode collapse?", FEWEST,
            ),
        ),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the MS-SSIM between synthetic images; its floor is that between real images."""
        side = min(sets.real.pixels.shape[-2:])
        if not scales_for(side):
            reason = f"MS-SSIM needs images of {_WINDOW} pixels a side and these have {side}"
            return Measurement([self.metric("ms_ssim", sets, refused=reason)])
        if too_few(sets):
            return Measurement([self.metric("ms_ssim", sets, refused=too_few(sets))])
        value, floor = (self._of(images, settings.seed) for images in (sets.synthetic, sets.real))
        scales = scales_for(side)
        note = (
            f"about {self.pairs} random pairs of different subjects, {scales} scales; "
            "real against real: among real images"
        )
        return Measurement([self.metric("ms_ssim", sets, value, floor, note=note)])

    def _of(self, images: ImageSetFeatures, seed: int) -> Estimate:
        middle = images.pixels.shape[2] // 2
        pairs = balanced_pairs(images.subjects, self.pairs, np.random.default_rng(seed))
        stacks = range(images.pixels.shape[1])
        values = np.mean([pair_ms_ssim(images.pixels[:, k, middle], pairs) for k in stacks], axis=0)
        return mean_over_pairs(values, pairs, images.subjects).within(0, 1)
