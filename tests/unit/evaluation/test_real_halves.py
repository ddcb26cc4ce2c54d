"""Random halves of real images are not called bad: twenty times nothing differs, and at most one alarm is false."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gandlf_synth.evaluation.thresholds import default_thresholds
from gandlf_synth.evaluation.verdict import verdicts
from gandlf_synth.metrics.extractors import build_extractor
from gandlf_synth.metrics.first_order import TextureDistance, first_order
from gandlf_synth.metrics.histogram import HistogramDistance, histograms
from gandlf_synth.metrics.image_set import ImageSetFeatures, ImageSets
from gandlf_synth.metrics.intervals import Indices
from gandlf_synth.metrics.kernel import KernelDistance
from gandlf_synth.metrics.ms_ssim import IntraSetMsSsim
from gandlf_synth.metrics.prdc import Overlap
from gandlf_synth.metrics.set_metric import MeasureSettings, SetMetric
from gandlf_synth.metrics.spectrum import SpectrumDistance, radial_spectrum

DATA = Path(__file__).parents[4] / "shared" / "data"
SETS = {"brain_tumor_mri_2d": "train/*/*/*.jpg", "pneumonia_xray_2d": "**/*.*", "colon_histology_rgb_2d": "**/*.*"}
METRICS: tuple[SetMetric, ...] = (
    KernelDistance(), SpectrumDistance(), HistogramDistance(), TextureDistance(), IntraSetMsSsim(pairs=150), Overlap()
)  # fmt: skip


def read(name: str, count: int = 160, side: int = 64) -> ImageSetFeatures:
    """Return real images, spread over the collection, each of its own subject."""
    paths = sorted(path for path in (DATA / name).glob(SETS[name]) if path.suffix in (".jpg", ".jpeg", ".png", ".tif"))
    paths = [paths[k] for k in np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int)]
    images = [Image.open(path).convert("L").resize((side, side), Image.Resampling.BOX) for path in paths]
    planes = np.stack([np.asarray(image, dtype=np.float32) / 255 for image in images])[:, None]
    names = tuple(str(path) for path in paths)
    return ImageSetFeatures(
        name="real", pixels=planes[:, None, None].astype(np.float16),
        features=build_extractor("random-conv")(torch.from_numpy(planes)).numpy()[:, None, None],
        histograms=histograms(planes), spectra=radial_spectrum(planes), first_order=first_order(planes),
        subjects=np.array(names), labels=None, files=names, content=names,
    )  # fmt: skip


def part(images: ImageSetFeatures, rows: Indices, name: str) -> ImageSetFeatures:
    arrays = {
        key: getattr(images, key)[rows]
        for key in ("pixels", "features", "histograms", "spectra", "first_order", "subjects")
    }
    files = tuple(images.files[row] for row in rows)
    return replace(images, name=name, files=files, content=files, **arrays)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SETS))
def test_of_twenty_random_halves_at_most_one_is_bad(name: str) -> None:
    if not (DATA / name).is_dir():
        pytest.skip("needs the shared data")
    images, outcomes = read(name), []
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(len(images))
        cut = len(order) // 2
        sets = ImageSets(part(images, order[:cut], "real"), part(images, order[cut:], "synthetic"))
        measured = [(metric, metric.compute(sets, MeasureSettings(seed))) for metric in METRICS]
        outcomes.append({each.question: each.outcome for each in verdicts(measured, default_thresholds())})

    assert sum("bad" in outcome.values() for outcome in outcomes) <= 1, outcomes
    assert sum("look" in outcome.values() for outcome in outcomes) <= 2, outcomes
