"""How alike the sets are: distances in features, spectra, intensities and texture, each beside its floor."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.evaluation.features import ImageSetFeatures
from gandlf_synth.evaluation.results import Interval, Metric
from gandlf_synth.metrics.first_order import feature_distances
from gandlf_synth.metrics.frechet import Moments, frechet_distance, refusal
from gandlf_synth.metrics.histogram import histogram_distance
from gandlf_synth.metrics.intervals import Estimate, bootstrap, halves, of_subsamples, subset
from gandlf_synth.metrics.kernel import kernel_distance
from gandlf_synth.metrics.spectrum import fine_detail, spectrum_distance

Floats = NDArray[np.floating[Any]]
_KID_SUBSET = 1000
_REPEATS = 20
_FID_REPEATS = 5


def sizes(real: ImageSetFeatures, synthetic: ImageSetFeatures) -> dict[str, int]:
    """Return how many images and subjects a metric is of."""
    subjects = len(np.unique(real.planes.subjects))
    return {"num_real": len(real.planes), "num_synthetic": len(synthetic.planes), "num_subjects": subjects}


def kid(real: ImageSetFeatures, synthetic: ImageSetFeatures, extractor: str, seed: int) -> Metric:
    """Return the kernel distance on random subsets, mean over stacks; the floor on halves of the real images."""
    rng = np.random.default_rng(seed)
    values, floors = [], []
    for _ in range(_REPEATS):
        a, b = halves(real.plane_subjects, rng)
        a, b = _at_most(a, rng), _at_most(b, rng)
        count = min(_KID_SUBSET, max(2, len(synthetic.plane_subjects) // 2))
        c = _at_most(subset(synthetic.plane_subjects, count, rng), rng)
        pairs = [(real.stack(k), synthetic.stack(k)) for k in range(real.features.shape[1])]
        values.append(np.mean([kernel_distance(r[a], s[c]) for r, s in pairs]))
        floors.append(np.mean([kernel_distance(r[a], r[b]) for r, _ in pairs]))
    taken = min(_KID_SUBSET, len(real.plane_subjects) // 2)
    shrink = float(np.sqrt(taken / (len(real.plane_subjects) - taken)))
    value, floor = of_subsamples(values, shrink=shrink), of_subsamples(floors, shrink=shrink)
    note = f"unbiased; {_REPEATS} subsets of up to {_KID_SUBSET} {real.rows}, by subject; not multiplied by 1000"
    return Metric(
        name="kid", title="Kernel distance (KID)", question="faithful", better="lower", value=Interval.of(value),
        floor=Interval.of(floor), interval_method=value.method, extractor=extractor, note=note,
        **sizes(real, synthetic),
    )  # fmt: skip


def fid(real: ImageSetFeatures, synthetic: ImageSetFeatures, extractor: str, seed: int) -> Metric:
    """Return the Fréchet distance, or why there is none."""
    common: dict[str, Any] = {
        "name": "fid", "title": "Fréchet distance (FID)", "question": "faithful", "better": "lower",
        "extractor": extractor, **sizes(real, synthetic),
    }  # fmt: skip
    reason = refusal(real.dimension, len(real.plane_subjects), len(synthetic.plane_subjects))
    if reason:
        return Metric(refused=f"FID {reason}", **common)
    rng = np.random.default_rng(seed)
    stacks = range(real.features.shape[1])
    whole = np.mean([frechet_distance(Moments.of(real.stack(k)), Moments.of(synthetic.stack(k))) for k in stacks])
    values, floors = [], []
    for _ in range(_FID_REPEATS):
        (a, b), c = (
            halves(real.plane_subjects, rng),
            subset(synthetic.plane_subjects, len(synthetic.plane_subjects) // 2, rng),
        )
        first = [Moments.of(real.stack(k)[a]) for k in stacks]
        values.append(np.mean([frechet_distance(first[k], Moments.of(synthetic.stack(k)[c])) for k in stacks]))
        floors.append(np.mean([frechet_distance(first[k], Moments.of(real.stack(k)[b])) for k in stacks]))
    value, floor = of_subsamples(values, whole=float(whole)), of_subsamples(floors)
    half = len(real.plane_subjects) // 2
    note = f"biased upwards at small n; the floor is of halves ({half} {real.rows}) and so above what all would give"
    return Metric(value=Interval.of(value), floor=Interval.of(floor), interval_method=value.method, note=note, **common)


def _at_most(indices: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    return indices if len(indices) <= _KID_SUBSET else rng.choice(indices, _KID_SUBSET, replace=False)


def spectrum(real: ImageSetFeatures, synthetic: ImageSetFeatures, seed: int) -> Metric:
    """Return the distance of the power spectra, with what happens to fine detail as a note."""
    excess = fine_detail(real.spectra, synthetic.spectra)
    note = f"fine detail (upper half of the frequencies): {excess:+.1f} dB against real"
    return _by_image(
        "spectrum",
        "Power spectrum",
        "dB",
        note,
        real,
        synthetic,
        (real.spectra, synthetic.spectra),
        spectrum_distance,
        seed,
    )


def histogram(real: ImageSetFeatures, synthetic: ImageSetFeatures, seed: int) -> Metric:
    """Return the distance of the pooled intensity histograms."""
    shift = _mean_value(synthetic) - _mean_value(real)
    note = f"mean intensity {shift:+.1%} of the range against real"
    values = (real.histograms, synthetic.histograms)
    return _by_image(
        "histogram", "Intensity histogram", "of the range", note, real, synthetic, values, histogram_distance, seed
    )


def texture(real: ImageSetFeatures, synthetic: ImageSetFeatures, names: Sequence[str], seed: int) -> Metric:
    """Return the mean distance of first-order and texture features, in standard deviations."""
    each = feature_distances(real.first_order, synthetic.first_order)
    worst = [f"{names[k]} {each[k]:.2f}" for k in np.argsort(-each)[:3]]
    note = f"farthest apart: {', '.join(worst)}"

    def mean(a: Floats, b: Floats) -> float:
        return float(feature_distances(a, b).mean())

    values = (real.first_order, synthetic.first_order)
    return _by_image(
        "texture", "First-order and texture", "standard deviations", note, real, synthetic, values, mean, seed
    )


def _mean_value(described: ImageSetFeatures) -> float:
    bins = described.histograms.shape[-1]
    return float((described.histograms.mean(axis=(0, 1)) * (np.arange(bins) + 0.5) / bins).sum())


def _by_image(
    name: str,
    title: str,
    unit: str,
    note: str,
    real: ImageSetFeatures,
    synthetic: ImageSetFeatures,
    values: tuple[Floats, Floats],
    distance: Callable[[Floats, Floats], float],
    seed: int,
) -> Metric:
    """Return a distance between rows, one per image, with bootstrap over subjects, and its floor."""
    a, b = values
    groups = [real.planes.subjects, synthetic.planes.subjects]
    repeats = 200 if len(a) + len(b) <= _KID_SUBSET * 2 else 50
    value = bootstrap(lambda i, j: distance(a[i], b[j]), groups, repeats=repeats, seed=seed)
    floor = floor_of(lambda i, j: distance(a[i], a[j]), real.planes.subjects, seed)
    better: Literal["lower"] = "lower"
    return Metric(
        name=name, title=title, question="faithful", better=better, value=Interval.of(value), floor=Interval.of(floor),
        unit=unit, interval_method=value.method, note=note, **sizes(real, synthetic),
    )  # fmt: skip


def floor_of(
    distance: Callable[[NDArray[np.int64], NDArray[np.int64]], float], groups: NDArray[np.str_], seed: int
) -> Estimate:
    """Return a distance between random halves of the real images that share no subject."""
    rng = np.random.default_rng(seed)
    return of_subsamples([distance(*halves(groups, rng)) for _ in range(_REPEATS)])
