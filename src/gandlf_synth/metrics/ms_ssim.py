"""Multi-scale SSIM (Wang et al. 2003) between the images of one set, as a measure of variety (Odena et al. 2017)."""

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gandlf_synth.metrics.image_set import ImageSetFeatures, ImageSets
from gandlf_synth.metrics.intervals import Estimate, Floats, Indices, Subjects, bootstrap
from gandlf_synth.metrics.results import Measurement
from gandlf_synth.metrics.set_metric import Criterion, Measure, MeasureSettings, SetMetric, above_floor

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


def random_pairs(groups: Subjects, count: int, rng: np.random.Generator) -> Indices:
    """Return up to ``count`` random pairs of images of different groups, ``(pairs, 2)``; none for a single group."""
    drawn = rng.integers(0, len(groups), (count * 4, 2))
    pairs: Indices = drawn[groups[drawn[:, 0]] != groups[drawn[:, 1]]][:count]
    return pairs


class IntraSetMsSsim(SetMetric):
    """MS-SSIM between random synthetic images of the set: more than between real ones is a sign of mode collapse."""

    pairs: int = 200
    """Random pairs of different subjects."""

    position: ClassVar[int] = 60
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "ms_ssim", "Likeness among themselves (MS-SSIM)", "diverse", "lower",
            criterion=Criterion(
                "likeness", "MS-SSIM between synthetic images above that between real ones.", 0.05, 0.15, above_floor,
                "images differ among themselves as real ones do",
                "images are more alike than real ones: mode collapse?",
            ),
        ),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the MS-SSIM between synthetic images; its floor is that between real images."""
        side = min(sets.real.pixels.shape[-2:])
        if not scales_for(side):
            reason = f"MS-SSIM needs images of {_WINDOW} pixels a side and these have {side}"
            return Measurement([self.metric("ms_ssim", sets, refused=reason)])
        value, floor = (self._of(images, settings.seed) for images in (sets.synthetic, sets.real))
        scales = scales_for(side)
        note = f"{self.pairs} random pairs of different subjects, {scales} scales; real against real: among real images"
        return Measurement([self.metric("ms_ssim", sets, value, floor, note=note)])

    def _of(self, images: ImageSetFeatures, seed: int) -> Estimate:
        middle = images.pixels.shape[2] // 2
        pairs = random_pairs(images.subjects, self.pairs, np.random.default_rng(seed))
        stacks = range(images.pixels.shape[1])
        values = np.mean([pair_ms_ssim(images.pixels[:, k, middle], pairs) for k in stacks], axis=0)
        return bootstrap(
            lambda chosen: float(values[chosen].mean()),
            [[str(k) for k in range(len(values))]],
            seed=seed,
            method="bootstrap over pairs",
        )
