"""Which sampler, with how many steps, gives the best images for the time."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from gandlf_synth.data.loading.condition import UNKNOWN_CLASS, Condition, class_condition
from gandlf_synth.data.loading.conditioners import encode_rows
from gandlf_synth.data.loading.network_input import batches_of
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.display.progress import Bar
from gandlf_synth.evaluation.setting import Setting
from gandlf_synth.evaluation.sweep_page import sweep_page
from gandlf_synth.files import write_json, write_text
from gandlf_synth.metrics.extractors import Extractor
from gandlf_synth.metrics.scoring import Floats, features, score
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.base import GenerativeModule, SamplingOptions
from gandlf_synth.models.sampling import batched, sample_batches
from gandlf_synth.provenance import Purpose, fold_seed


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
    module: GenerativeModule[Any],
    manifest: Manifest,
    pipeline: Pipeline,
    extractor: Extractor,
    settings: Sequence[tuple[str, int]],
    folder: Path,
    bar: Bar,
    *,
    count: int,
    batch_size: int,
    seed: int,
) -> SweepResult:
    """Compare ``settings`` on the images of ``manifest``, and write page, numbers and the best one into ``folder``."""
    real = features(batches_of(manifest, pipeline, module.spec, bar), extractor)
    condition = encode_rows(manifest.samples, module.spec.parts)
    if condition.class_labels is not None and bool((condition.class_labels == UNKNOWN_CLASS).any()):
        condition = class_condition(range(module.spec.num_classes))
    measured = sweep(module, real, condition, extractor, settings, bar, count=count, batch_size=batch_size, seed=seed)
    chosen = best(measured)
    text = (
        f"{count} images per setting against {len(real)} real ones of {manifest.path.name}; features of "
        f"{extractor.name} ({extractor.weights_sha256[:12]}); the fastest that cannot be told from the best is kept"
    )
    page = folder / "sampling_sweep.html"
    write_text(page, sweep_page(measured, chosen, module.config.model_name, text))
    about = {"model": module.config.model_name, "images": count, "real_images": len(real), "extractor": extractor.name}
    write_json(page.with_suffix(".json"), {**about, "best": asdict(chosen), "settings": list(map(asdict, measured))})
    write_json(
        ModelFolder(folder).sampling, {"sampler": chosen.sampler, "num_inference_steps": chosen.num_inference_steps}
    )
    return SweepResult(measured, chosen, page)


def sweep(
    module: GenerativeModule[Any],
    real: Floats,
    condition: Condition,
    extractor: Extractor,
    settings: Sequence[tuple[str, int]],
    progress: Bar,
    *,
    count: int,
    batch_size: int,
    seed: int,
) -> list[Setting]:
    """Return what each of ``settings`` gives, in the order given; every setting starts from the same noise.

    Args:
        module: the model, ready to sample.
        real: features of held-out real images, as ``scoring.features`` returns them.
        condition: of real images, in whose proportions images are made.
        extractor: the one that ``real`` came from.
        settings: sampler and steps.
        progress: shows progress.
        count: images per setting.
        batch_size: images sampled together.
        seed: decides the noise and the bootstrap.
    """
    rows = max((len(part) for part in condition.values()), default=1)
    repeated = condition.rows(torch.arange(count) % rows)
    seeds = [fold_seed(seed, Purpose.IMAGE, place) for place in range(count)]
    results = []
    for sampler, steps in progress(settings, len(settings), "Sampling"):
        options = SamplingOptions(sampler, steps)
        started = time.perf_counter()
        images = list(sample_batches(module, batched(seeds, repeated, batch_size), options))
        seconds = (time.perf_counter() - started) / count
        found = score(real, features(images, extractor), seed=seed)
        kid = found.kid
        results.append(
            Setting(
                sampler, steps, kid.value, kid.low, kid.high, found.overlap.density, found.overlap.coverage, seconds
            )
        )
    return results


def best(settings: Sequence[Setting]) -> Setting:
    """Return the fastest of the settings that cannot be told from the one with the lowest distance."""
    lowest = min(settings, key=lambda each: each.kid)
    return min((each for each in settings if each.kid <= lowest.kid_high), key=lambda each: each.seconds_per_image)
