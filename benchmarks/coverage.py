"""``python -m benchmarks.coverage [-o JSON]``: how often the 95 % intervals of an evaluation hold the truth.

Images are drawn from a known distribution: a subject's features, and around them those of its images. The truth is 0
where nothing differs; of a distance that differs it is what sets of a thousand subjects give, and of numbers that
depend on the size of the sets the mean at this size: half of the repetitions give it, and the other half is judged.
``false alarms``: in how many of the cases where nothing differs any of these numbers is bad.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gandlf_synth.evaluation.thresholds import default_thresholds
from gandlf_synth.evaluation.verdict import control_false_alarms
from gandlf_synth.metrics.first_order import TextureDistance
from gandlf_synth.metrics.frechet import FrechetDistance
from gandlf_synth.metrics.histogram import HISTOGRAM_BINS, HistogramDistance
from gandlf_synth.metrics.image_set import ImageSetFeatures, ImageSets
from gandlf_synth.metrics.intervals import Estimate, Floats
from gandlf_synth.metrics.kernel import KernelDistance
from gandlf_synth.metrics.ms_ssim import balanced_pairs, mean_over_pairs
from gandlf_synth.metrics.prdc import Overlap
from gandlf_synth.metrics.results import Check
from gandlf_synth.metrics.set_metric import MeasureSettings, SetMetric
from gandlf_synth.metrics.spectrum import SPECTRUM_BINS, SpectrumDistance
from gandlf_synth.metrics.train_synthetic_test_real import Accuracy

_RESULTS = Path(__file__).parent / "results" / "coverage.json"
_DIMENSION = 8
_Z = 1.96
_OF_SUBJECT = 0.7
"""The share of the variance that lies between subjects."""
_METRICS: tuple[SetMetric, ...] = (
    KernelDistance(), SpectrumDistance(), HistogramDistance(), TextureDistance(), FrechetDistance(), Overlap()
)  # fmt: skip
_UNBIASED = ("kid", "spectrum", "histogram", "texture")
_KNOWN = {"train_synthetic": 0.8, "usefulness": 0.3 / 0.45}


@dataclass(frozen=True)
class Case:
    """How many subjects and images of each there are in the sets, and how far apart these are."""

    real: int
    real_images: int
    synthetic: int
    synthetic_images: int
    shift: float

    @property
    def name(self) -> str:
        """What the case is called in the results."""
        sizes = f"{self.real}x{self.real_images} real, {self.synthetic}x{self.synthetic_images} synthetic"
        return f"{sizes}, shift {self.shift:g}"


CASES = [
    Case(*sizes, shift) for sizes in ((20, 1, 20, 1), (40, 4, 80, 1), (100, 1, 100, 1)) for shift in (0.0, 1.0, 2.0)
]


def image_set(name: str, subjects: int, images: int, shift: float, rng: np.random.Generator) -> ImageSetFeatures:
    """Return a set with features, spectra, histograms and first-order features, and no pixels."""
    own = rng.normal(0, np.sqrt(_OF_SUBJECT), size=(subjects, 1, _DIMENSION))
    hidden = own + rng.normal(0, np.sqrt(1 - _OF_SUBJECT), size=(subjects, images, _DIMENSION))
    hidden = (hidden + shift / np.sqrt(_DIMENSION)).reshape(-1, _DIMENSION)
    names = np.repeat(np.arange(subjects), images).astype(str)
    files = tuple(f"{name}_{place}" for place in range(len(hidden)))
    return ImageSetFeatures(
        name=name, pixels=np.zeros((len(hidden), 1, 1, 1, 1, 1), np.float16), features=hidden[:, None, None],
        histograms=_histograms(hidden), spectra=hidden @ np.linspace(-1, 1, _DIMENSION * SPECTRUM_BINS).reshape(
            _DIMENSION, SPECTRUM_BINS
        ), first_order=np.concatenate([hidden, np.exp(hidden[:, :3] / 2)], axis=1),
        subjects=names, labels=None, files=files, content=files,
    )  # fmt: skip


def _histograms(hidden: Floats) -> Floats:
    """Return the histograms of images whose pixels are normal; mean and deviation differ from image to image."""
    centers = (np.arange(HISTOGRAM_BINS) + 0.5) / HISTOGRAM_BINS
    mean, deviation = 0.5 + 0.05 * hidden[:, :1], 0.1 * np.exp(0.2 * hidden[:, 1:2])
    density = np.exp(-(((centers - mean) / deviation) ** 2) / 2)
    return np.asarray((density / density.sum(axis=1, keepdims=True))[:, None])


def numbers_of(
    case: Case, seed: int, metrics: Sequence[SetMetric] = _METRICS
) -> tuple[dict[str, Estimate], list[Check]]:
    """Return every number of two sets that are drawn for ``seed``, with the checks of those that are judged."""
    rng = np.random.default_rng(seed)
    real = image_set("real", case.real, case.real_images, 0, rng)
    synthetic = image_set("synthetic", case.synthetic, case.synthetic_images, case.shift, rng)
    found: dict[str, Estimate] = {}
    checks: list[Check] = []
    for metric in metrics:
        measurement = metric.compute(ImageSets(real, synthetic), MeasureSettings(seed))
        checks += metric.checks(measurement, default_thresholds())
        found |= {number.name: number.value for number in measurement.metrics if number.value is not None}
    if metrics == _METRICS:
        found["ms_ssim"] = _likeness(synthetic, rng)
        found["train_synthetic"], found["usefulness"] = _accuracies(case, rng)
    return found, checks


def _likeness(images: ImageSetFeatures, rng: np.random.Generator) -> Estimate:
    pairs = balanced_pairs(images.subjects, 400, rng)
    first, second = (images.embedding[pairs[:, side], :2] for side in (0, 1))
    return mean_over_pairs(np.exp(-((first - second) ** 2).mean(axis=1)), pairs, images.subjects)


def _accuracies(case: Case, rng: np.random.Generator) -> tuple[Estimate, Estimate]:
    """Return the accuracy of a classifier that recognizes 80 %, and its share of that of one which recognizes 95 %."""
    subjects = np.repeat(np.arange(case.real), case.real_images)
    true = np.arange(case.real)[subjects] % 2
    runs = []
    for recognized in (0.8, 0.95):
        easy = np.clip(rng.beta(20 * recognized, 20 * (1 - recognized), case.real), 0, 1)[subjects]
        runs.append(np.where(rng.random(len(true)) < easy, true, 1 - true))
    synthetic, real = (Accuracy.of([run], true, list(subjects.astype(str))) for run in runs)
    return synthetic.estimate(), synthetic.share_of(real, 0.5)


def simulate(case: Case, repeats: int, metrics: Sequence[SetMetric] = _METRICS) -> dict[str, Any]:
    """Return the share of intervals that hold the truth, number by number, and the share of false alarms.

    ``width`` is that of the mean interval over that of 1.96 deviations of the number to each side.
    """
    runs = [numbers_of(case, seed, metrics) for seed in range(repeats)]
    result: dict[str, Any] = {}
    for name in runs[0][0]:
        estimates = [found[name] for found, _ in runs]
        truth = _truth(name, case, estimates)
        judged = estimates if truth.exact else estimates[repeats // 2 :]
        held = [estimate.low <= truth.value + 1e-12 and estimate.high >= truth.value for estimate in judged]
        share = round(float(np.mean(held)), 3) if judged[0].has_interval else None
        needed = _Z * float(np.std([estimate.value for estimate in estimates], ddof=1))
        width = float(np.mean([estimate.spread for estimate in estimates])) / needed if share is not None else None
        result[name] = {
            "truth": round(truth.value, 5), "coverage": share, "width": width and round(width, 2)
        }  # fmt: skip
    if case.shift == 0:
        bad = [any(check.outcome == "bad" for check in control_false_alarms(checks)) for _, checks in runs]
        result["false alarms"] = float(np.mean(bad))
    return result


@dataclass(frozen=True)
class Truth:
    """The true number, and whether it is known without the repetitions."""

    value: float
    exact: bool


def _truth(name: str, case: Case, estimates: list[Estimate]) -> Truth:
    if name in _KNOWN:
        return Truth(_KNOWN[name], exact=True)
    if name in _UNBIASED:
        return Truth(_of_many(case.shift)[name] if case.shift else 0.0, exact=True)
    return Truth(float(np.mean([estimate.value for estimate in estimates[: len(estimates) // 2]])), exact=False)


@cache
def _of_many(shift: float) -> dict[str, float]:
    """Return the distances of large sets, which are near the truth."""
    found: dict[str, list[float]] = {name: [] for name in _UNBIASED}
    for seed in range(4):
        rng = np.random.default_rng(10_000 + seed)
        sets = ImageSets(image_set("real", 1000, 1, 0, rng), image_set("synthetic", 1000, 1, shift, rng))
        for metric in _METRICS[: len(_UNBIASED)]:
            (number,) = metric.compute(sets, MeasureSettings(seed)).metrics
            found[number.name] += [number.value.value] if number.value else []
    return {name: float(np.mean(values)) for name, values in found.items()}


def rows(results: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of the table for the documentation."""
    names = list(next(iter(results.values())))
    for name in names:
        cells = [
            str(result[name]["coverage"] if isinstance(result.get(name), dict) else result.get(name, ""))
            for result in results.values()
        ]
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Simulate, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage")
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--neighbors", action="store_true", help="only precision, recall, density and coverage")
    parser.add_argument("-o", "--output", type=Path, default=_RESULTS)
    options = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    for case in CASES:
        results[case.name] = simulate(case, options.repeats, _METRICS[-1:] if options.neighbors else _METRICS)
        print(case.name, json.dumps(results[case.name]), flush=True)
        options.output.write_text(json.dumps({"repeats": options.repeats, "cases": results}, indent=2) + "\n")
    print(*rows(results), sep="\n")


if __name__ == "__main__":
    main()
