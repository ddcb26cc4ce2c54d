"""Whether the synthetic images cover the real variety: neighbourhoods, likeness among themselves, classes."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.evaluation.features import ImageSetFeatures
from gandlf_synth.evaluation.fidelity import sizes
from gandlf_synth.evaluation.results import ClassRow, Interval, Metric
from gandlf_synth.metrics.intervals import Estimate, bootstrap, halves, of_subsamples, share, subset
from gandlf_synth.metrics.memorisation import match, threshold
from gandlf_synth.metrics.ms_ssim import pair_likeness, random_pairs, scales_for
from gandlf_synth.metrics.prdc import Prdc, prdc

_REPEATS = 10
_LARGEST = 1500
"""Images of a set that are compared in one repeat; the cost grows with the square."""
_PAIRS = 200
_SAME_SET_LIMIT = 2000
"""Images of a set that are searched for duplicates."""
_LEAST = 0.9
"""A correlation below this is no duplicate, however different the real images are."""

_TITLES = {
    "precision": ("Precision", "faithful", "share of synthetic images that lie among the real ones"),
    "density": ("Density", "faithful", "how densely real images surround the synthetic ones; 1 is like real"),
    "recall": ("Recall", "diverse", "share of real images that lie among the synthetic ones"),
    "coverage": ("Coverage", "diverse", "share of real images with a synthetic one in their neighbourhood"),
}


@dataclass(frozen=True)
class Overlap:
    """Neighbourhoods on random halves: of real and synthetic images, and of real and real ones."""

    metrics: list[Metric]
    per_class: list[ClassRow]


def overlap(real: ImageSetFeatures, synthetic: ImageSetFeatures, extractor: str, seed: int) -> Overlap:
    """Return precision, recall, density and coverage, and coverage class by class.

    Each repeat compares a random half of the real images with as many synthetic ones and with the other half, so
    that value and floor are of equal size and may be compared; both depend on the size.
    """
    rng = np.random.default_rng(seed)
    a_all, b_all = real.embedding, synthetic.embedding
    labels = np.array(real.planes.labels) if real.planes.labels else None
    values: list[Prdc] = []
    floors: list[Prdc] = []
    kept = []
    for _ in range(_REPEATS):
        first, second = halves(real.planes.subjects, rng)
        count = min(len(first), len(second), len(b_all), _LARGEST)
        first, second = first[rng.permutation(len(first))[:count]], second[rng.permutation(len(second))[:count]]
        other = subset(synthetic.planes.subjects, count, rng)
        values.append(prdc(a_all[first], b_all[other]))
        floors.append(prdc(a_all[first], a_all[second]))
        kept.append(first)
    note = f"{_REPEATS} random halves, {len(kept[0])} real against as many synthetic images; 5 nearest neighbours"
    metrics = []
    for name, (title, question, meaning) in _TITLES.items():
        limit = math.inf if name == "density" else 1.0
        value = of_subsamples([getattr(found, name) for found in values]).within(0, limit)
        floor = of_subsamples([getattr(found, name) for found in floors]).within(0, limit)

        metrics.append(
            Metric.model_validate({
                "name": name, "title": title, "question": question, "better": "higher", "extractor": extractor,
                "value": Interval.of(value), "floor": Interval.of(floor), "interval_method": value.method,
                "note": f"{meaning}; {note}", **sizes(real, synthetic),
            })
        )  # fmt: skip
    rows = [] if labels is None else _per_class(labels, synthetic, values, floors, kept)
    return Overlap(metrics, rows)


def _per_class(
    labels: NDArray[np.str_],
    synthetic: ImageSetFeatures,
    values: list[Prdc],
    floors: list[Prdc],
    kept: list[NDArray[np.int64]],
) -> list[ClassRow]:
    own = synthetic.planes.labels
    rows = []
    for name in np.unique(labels):
        parts: list[list[float]] = [[], []]
        for found, rows_of in zip((values, floors), parts, strict=True):
            for one, chosen in zip(found, kept, strict=True):
                inside = labels[chosen] == name
                if inside.any():
                    rows_of.append(float(one.covered[inside].mean()))
        if not parts[0]:
            continue
        rows.append(
            ClassRow(
                name=str(name),
                num_real=int((labels == name).sum()),
                num_synthetic=None if own is None else own.count(str(name)),
                coverage=Interval.of(of_subsamples(parts[0]).within(0, 1)),
                floor=Interval.of(of_subsamples(parts[1]).within(0, 1)),
            )
        )
    return rows


def likeness(real: ImageSetFeatures, synthetic: ImageSetFeatures, seed: int) -> Metric:
    """Return the MS-SSIM between random synthetic images; its floor is that between real images."""
    common: dict[str, Any] = {
        "name": "ms_ssim", "title": "Likeness among themselves (MS-SSIM)", "question": "diverse", "better": "lower",
        **sizes(real, synthetic),
    }  # fmt: skip
    side = min(real.planes.pixels.shape[-2:])
    if not scales_for(side):
        return Metric(refused=f"MS-SSIM needs images of 11 pixels a side and these have {side}", **common)
    value, floor = (_likeness_of(described, seed) for described in (synthetic, real))
    note = (
        f"{_PAIRS} random pairs of different subjects, {scales_for(side)} scales; the floor is that among real images"
    )
    return Metric(
        value=Interval.of(value), floor=Interval.of(floor), interval_method="bootstrap over pairs", note=note, **common
    )


def _likeness_of(described: ImageSetFeatures, seed: int) -> Estimate:
    rng = np.random.default_rng(seed)
    middle = described.planes.pixels.shape[2] // 2
    pairs = random_pairs(described.planes.subjects, _PAIRS, rng)
    stacks = range(described.planes.pixels.shape[1])
    found = np.mean([pair_likeness(described.planes.pixels[:, k, middle], pairs) for k in stacks], axis=0)
    return bootstrap(lambda chosen: float(found[chosen].mean()), [[str(k) for k in range(len(found))]], seed=seed)


def duplicates(real: ImageSetFeatures, synthetic: ImageSetFeatures, false_alarm: float, seed: int) -> Metric:
    """Return the share of synthetic images that are as like another one as next to no real images are.

    Also the floor: the same share among the real images, which the calibration makes about ``false_alarm``.
    """
    rng = np.random.default_rng(seed)
    scores = []
    for described in (real, synthetic):
        chosen = np.sort(rng.permutation(len(described.planes))[:_SAME_SET_LIMIT])
        pixels = described.planes.pixels[chosen]
        names = described.planes.subjects[chosen] if described is real else chosen.astype(str)
        scores.append(match(pixels, pixels, query_groups=list(names), reference_groups=list(names)).correlation)
    limit = max(threshold(scores[0], false_alarm), _LEAST)
    value, floor = (share(int((found > limit).sum()), len(found)) for found in (scores[1], scores[0]))
    note = f"correlation above {limit:.4f} with another image of the set, under flips and 1-pixel shifts"
    return Metric(
        name="duplicates", title="Repeated images", question="diverse", better="lower", value=Interval.of(value),
        floor=Interval.of(floor), unit="share", interval_method=value.method, note=note, **sizes(real, synthetic),
    )  # fmt: skip
