"""Which sampler, with how many steps, gives the best images for the time."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.condition import UNKNOWN_CLASS, Condition, class_condition
from gandlf_synth.data.loading.conditioners import encode_rows
from gandlf_synth.data.loading.network_input import batches_of
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.evaluation.report.figures import Axes, figure, lines
from gandlf_synth.evaluation.report.templates import load_template
from gandlf_synth.files import write_json, write_text
from gandlf_synth.metrics.extractors import Extractor
from gandlf_synth.metrics.intervals import Floats
from gandlf_synth.metrics.scoring import features, score
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.sampling import batched, sample_batches
from gandlf_synth.progress import Progress
from gandlf_synth.provenance import Purpose, fold_seed

_COLORS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2")


@dataclass(frozen=True)
class Setting:
    """A way to sample, and how good its images are.

    Args:
        sampler: the solver.
        num_inference_steps: its steps.
        kid: kernel distance to held-out real images; ``kid_low`` and ``kid_high`` are its 95 % interval.
        density, coverage: overlap with them.
        seconds_per_image: of sampling, in batches as asked for.
    """

    sampler: str
    num_inference_steps: int
    kid: float
    kid_low: float
    kid_high: float
    density: float
    coverage: float
    seconds_per_image: float


@dataclass(frozen=True)
class SweepResult:
    """What a sweep found.

    Args:
        settings: everything that was measured.
        best: what the model will use from now on.
        page: the table and the curves.
    """

    settings: list[Setting]
    best: Setting
    page: Path


def sweep_samplers(
    module: GenerativeModule,
    manifest: Manifest,
    pipeline: Pipeline,
    extractor: Extractor,
    settings: Sequence[tuple[str, int]],
    folder: Path,
    bar: Progress,
    *,
    count: int,
    batch_size: int,
    seed: int,
) -> SweepResult:
    """Compare ``settings`` on the images of ``manifest``, and write page, numbers and the best one into ``folder``."""
    real = features(batches_of(manifest, pipeline, module.spec, bar), extractor)
    condition = condition_of(manifest, module)
    subjects = [sample.subject for sample in manifest.samples]
    measured = sweep(
        module, real, subjects, condition, extractor, settings, bar, count=count, batch_size=batch_size, seed=seed
    )
    chosen = best(measured)
    text = (
        f"{count} images per setting against {len(real)} real ones of {manifest.path.name}; features of "
        f"{extractor.name} ({extractor.weights_sha256[:12]}); the fastest that cannot be told from the best is kept"
    )
    page = folder / "sampling_sweep.html"
    write_text(page, _page(measured, chosen, module.config.model_name, text))
    about = {"model": module.config.model_name, "images": count, "real_images": len(real), "extractor": extractor.name}
    write_json(page.with_suffix(".json"), {**about, "best": asdict(chosen), "settings": list(map(asdict, measured))})
    write_json(
        ModelFolder(folder).sampling, {"sampler": chosen.sampler, "num_inference_steps": chosen.num_inference_steps}
    )
    return SweepResult(measured, chosen, page)


def sweep(
    module: GenerativeModule,
    real: Floats,
    subjects: Sequence[str],
    condition: Condition,
    extractor: Extractor,
    settings: Sequence[tuple[str, int]],
    progress: Progress,
    *,
    count: int,
    batch_size: int,
    seed: int,
) -> list[Setting]:
    """Return what each of ``settings`` gives, in the order given; every setting starts from the same noise.

    Args:
        module: the model, ready to sample.
        real: features of held-out real images, as ``scoring.features`` returns them.
        subjects: of the real images.
        condition: of real images, in whose proportions images are made.
        extractor: the one that ``real`` came from.
        settings: sampler and steps.
        progress: shows progress.
        count: images per setting.
        batch_size: images sampled together.
        seed: decides the noise and the bootstrap.
    """
    results = []
    for sampler, steps in progress(settings, len(settings), "Sampling"):
        options = SamplingOptions(sampler=sampler, num_inference_steps=steps)
        started = time.perf_counter()
        images = make_samples(module, condition, options, count=count, batch_size=batch_size, seed=seed)
        seconds = (time.perf_counter() - started) / count
        result = score(real, features(images, extractor), subjects, seed=seed)
        kid, overlap = result.kid, result.overlap
        results.append(
            Setting(sampler, steps, kid.value, kid.low, kid.high, overlap.density, overlap.coverage, seconds)
        )
    return results


def make_samples(
    module: GenerativeModule, condition: Condition, options: SamplingOptions, *, count: int, batch_size: int, seed: int
) -> list[Tensor]:
    """Return ``count`` images in batches, in the proportions of ``condition``; each of them follows from ``seed``."""
    rows = max((len(part) for part in condition.values()), default=1)
    repeated = condition.rows(torch.arange(count) % rows)
    seeds = [fold_seed(seed, Purpose.IMAGE, place) for place in range(count)]
    return list(sample_batches(module, batched(seeds, repeated, batch_size), options))


def condition_of(manifest: Manifest, module: GenerativeModule) -> Condition:
    """Return what images like those of ``manifest`` are made from; all classes alike where it does not know them."""
    condition = encode_rows(manifest.samples, module.spec.parts)
    if condition.class_labels is not None and bool((condition.class_labels == UNKNOWN_CLASS).any()):
        return class_condition(range(module.spec.num_classes))
    return condition


def best(settings: Sequence[Setting]) -> Setting:
    """Return the fastest of the settings that cannot be told from the one with the lowest distance."""
    lowest = min(settings, key=lambda setting: setting.kid)
    as_good = (setting for setting in settings if setting.kid <= lowest.kid_high)
    return min(as_good, key=lambda setting: setting.seconds_per_image)


def _page(settings: Sequence[Setting], best: Setting, model: str, text: str) -> str:
    """Return an HTML page with a curve per sampler and a table; ``text`` says what the numbers are of."""
    names = list(dict.fromkeys(setting.sampler for setting in settings))
    kids = [setting.kid for setting in settings]
    most = max(setting.num_inference_steps for setting in settings)
    axes = Axes((0.0, float(most)), (min(0.0, *kids), max(kids)), "steps", "KID")
    curves = {name: _curve(settings, name) for name in names}
    return load_template("sweep.html").render(
        settings=settings, best=best, model=model, text=text, colors=dict(zip(names, _COLORS, strict=False)),
        picture=figure(axes, lines(axes, curves), f"kernel distance against steps for {', '.join(names)}"),
    )  # fmt: skip


def _curve(settings: Sequence[Setting], name: str) -> tuple[Floats, Floats]:
    points = sorted((setting.num_inference_steps, setting.kid) for setting in settings if setting.sampler == name)
    return np.array([float(steps) for steps, _ in points]), np.array([kid for _, kid in points])
