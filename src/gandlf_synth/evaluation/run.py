"""One evaluation: two sets of images are read, measured by every registered set metric, and written down."""

import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue

from gandlf_synth.data.formats.cache_folder import default_cache
from gandlf_synth.errors import DataError, Problem
from gandlf_synth.evaluation.causes import find_causes
from gandlf_synth.evaluation.features import extract_features
from gandlf_synth.evaluation.figure_arrays import figure_arrays
from gandlf_synth.evaluation.grid import Grid, choose_grid
from gandlf_synth.evaluation.image_sets import ImageSet, load_image_set
from gandlf_synth.evaluation.planes import VOLUME, PlaneSet, read_planes, read_volumes
from gandlf_synth.evaluation.realism import measure_realism
from gandlf_synth.evaluation.request import EvaluationRequest
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.store import Arrays, EvaluationFolder, write_images
from gandlf_synth.evaluation.thresholds import complete_thresholds
from gandlf_synth.evaluation.verdict import verdicts
from gandlf_synth.evaluation.volumes import volume_arrays
from gandlf_synth.files import read_json
from gandlf_synth.launcher import peak_memory_mb
from gandlf_synth.metrics.extractors import Extractor, build_extractor
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.results import Measurement
from gandlf_synth.metrics.set_metric import MeasureSettings, SetMetric, registered_set_metrics
from gandlf_synth.metrics.slicing import STACKS
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.progress import Progress
from gandlf_synth.provenance import digest, software_versions

_FEW = 50
_CUBE_SIDE = 40
"""Voxels a side at which copies of volumes are searched for."""


def run_evaluation(
    request: EvaluationRequest, progress: Progress, metrics: Sequence[SetMetric] | None = None
) -> Evaluation:
    """Compare two sets of images and write numbers, arrays and one row per image to the output folder.

    Args:
        request: what to compare, and where to write.
        progress: shows how far the work is.
        metrics: what to measure, in the order of the report; None: every registered metric.

    Raises:
        DataError: a set is missing, empty, unreadable, or the sets cannot be compared.
        ConfigError: the extractor or its weights are wrong; a threshold has an unknown name.
        MissingExtraError: the extractor's package is not installed.
    """
    started = time.monotonic()
    thresholds = complete_thresholds(request.thresholds)
    run_record = _run_record(request.model_dir)
    extractor = build_extractor(request.extractor, request.extractor_weights, allow_download=request.allow_download)
    extractor.to("cuda" if torch.cuda.is_available() else "cpu")
    cache = default_cache()
    sources = _load_sources(request, cache, progress)
    choice = choose_grid(sources, request)
    grid = choice.grid
    extractor.check_images(grid.spatial_dims)
    planes = [read_planes(source, grid.of(source.name), cache, progress) for source in sources]
    volumes = [_volumes(part, grid.of(part.name), extractor, cache, progress) for part in planes]
    pairs = zip(planes, volumes, strict=True)
    features = [extract_features(part, extractor, cache, progress, cubes) for part, cubes in pairs]
    if grid.spatial_dims == len(STACKS):
        features = [
            replace(each, volumes=read_volumes(part, grid.of(part.name), _CUBE_SIDE, cache, progress).pixels[:, 0, 0])
            for each, part in zip(features, planes, strict=True)
        ]
    sets = ImageSets(*features)
    name = f"{extractor.name}, weights sha256 {extractor.weights_sha256[:12]}, {sets.real.dimension} features"
    settings = MeasureSettings(request.seed, name, thresholds["false_alarm"])
    measured = _measure(sets, settings, progress, registered_set_metrics() if metrics is None else metrics)
    measurements = [measurement for _, measurement in measured]
    causes = find_causes(sets, sources, choice.differences, thresholds, request.seed)
    evaluation = Evaluation(
        command=request.command,
        made=datetime.now().astimezone().isoformat(timespec="seconds"),
        inputs={source.name: _input(source, part) for source, part in zip(sources, planes, strict=True)},
        comparison=_comparison(grid, request.seed),
        extractor=_extractor(extractor, grid, sets.real.dimension),
        thresholds=thresholds,
        metrics=[metric for measurement in measurements for metric in measurement.metrics],
        per_class=[row for measurement in measurements for row in measurement.per_class],
        copies=[pair for measurement in measurements for pair in measurement.copies],
        warnings=[difference.warning for difference in choice.differences],
        causes=causes,
        verdicts=verdicts(measured, thresholds, causes),
        cautions=[
            *_identical(planes),
            *_seen(sources, planes),
            *_cautions(sources),
            *choice.cautions,
            *filter(None, [extractor.caution]),
        ],
        facts=[*_facts(sources), *choice.facts, *_budget(run_record)],
        versions=software_versions(),
        seconds=round(time.monotonic() - started, 1),
        peak_memory_mb=peak_memory_mb(),
        run_record=run_record,
    )
    folder = EvaluationFolder(request.output_dir)
    measurements.append(measure_realism(sets))
    write_images(folder.images, planes[:2], [sets.real, sets.synthetic], measurements)
    arrays = figure_arrays(sets, measurements, grid.spatial_dims, request.seed)
    if grid.spatial_dims == len(STACKS):
        shown = [arrays[f"samples_place_{part.name}"].tolist() for part in planes[:2]]
        arrays |= volume_arrays(planes, grid, shown, evaluation.copies)
    folder.write(evaluation, arrays | _curves(request.model_dir))
    return evaluation


def _load_sources(request: EvaluationRequest, cache: Path, progress: Progress) -> list[ImageSet]:
    paths = {"real": request.real, "synthetic": request.synthetic, "train": request.train}
    return [
        load_image_set(name, path, cache, progress, skip_unreadable=request.skip_unreadable)
        for name, path in paths.items()
        if path is not None
    ]


def _volumes(planes: PlaneSet, grid: Grid, extractor: Extractor, cache: Path, progress: Progress) -> PlaneSet | None:
    return read_volumes(planes, grid, extractor.side, cache, progress) if extractor.takes_volumes else None


def _measure(
    sets: ImageSets, settings: MeasureSettings, progress: Progress, metrics: Sequence[SetMetric]
) -> list[tuple[SetMetric, Measurement]]:
    return [(metric, metric.compute(sets, settings)) for metric in progress(metrics, len(metrics), "Comparing")]


def _cautions(sources: list[ImageSet]) -> list[str]:
    cautions = [caution for source in sources for caution in source.cautions]
    small = [
        f"{source.name} {len(source.manifest.samples)}" for source in sources if len(source.manifest.samples) < _FEW
    ]
    if small:
        cautions.append(f"few images ({', '.join(small)}): intervals are wide; {_FEW} and more per set are advised")
    return cautions


def _facts(sources: list[ImageSet]) -> list[str]:
    facts = [fact for source in sources for fact in source.facts]
    facts += [f"subjects of {source.name}: {source.manifest.subject_rule}" for source in sources]
    return facts + [f"{source.name}: {note}" for source in sources for note in source.manifest.notes]


def _budget(run_record: Mapping[str, JsonValue] | None) -> list[str]:
    """Return what is promised to the subjects of the training data, and that figures of this report are beside it."""
    spent = (run_record or {}).get("privacy")
    if not isinstance(spent, dict) or not spent:
        return []
    promise = f"epsilon {spent['epsilon']} at delta {spent['delta']} for each subject"
    return [f"the model was trained with {promise}; what this report tells of real images, epsilon does not cover"]


def _identical(planes: list[PlaneSet]) -> list[str]:
    """Return a note for every set that holds files of the synthetic set, byte for byte; for itself if repeatedly."""
    real, synthetic, *train = planes
    repeated = len(synthetic) - len(set(synthetic.content))
    notes = [f"{repeated} of {len(synthetic)} synthetic files are byte for byte another one"] if repeated else []
    for other in (real, *train):
        same = sum(content in set(other.content) for content in synthetic.content)
        if same:
            notes.append(f"{same} of {len(synthetic)} synthetic files are byte for byte {other.name} files")
    return notes


def _seen(sources: list[ImageSet], planes: list[PlaneSet]) -> list[str]:
    """Return a note where the real images, or their subjects, are those that the model was trained on."""
    real, _, *train = planes
    if not train:
        return []
    fix = "give images of other patients with --real"
    known = np.isin(real.content, train[0].content)
    if known.all():
        what = "all real images are training images: the more a model copies them, the better most numbers look"
        return [f"{what}; {fix}"]
    what = "which makes copies look good"
    notes = [f"{known.sum()} of {len(real)} real images are training images, {what}; {fix}"] if known.any() else []
    subjects = np.unique(real.subjects[~known])
    both = np.isin(subjects, train[0].subjects).sum()
    if both and sources[0].manifest.names_identify and sources[2].manifest.names_identify:
        notes.append(
            f"{both} of {len(subjects)} subjects of real images are in the training images, too, {what}; {fix}"
        )
    return notes


def _input(source: ImageSet, planes: PlaneSet) -> dict[str, JsonValue]:
    return {
        "path": str(source.path),
        "images": len(planes),
        "subjects": len(np.unique(planes.subjects)),
        "classes": {str(label): name for label, name in source.manifest.labels.items()},
        "content_digest": digest(sorted(planes.content)),
    }


def _comparison(grid: Grid, seed: int) -> dict[str, JsonValue]:
    return {
        "size": list(grid.size),
        "resize_rule": grid.resize_rule,
        "intensity_rule": grid.intensity_rule,
        "spatial_dims": grid.spatial_dims,
        "seed": seed,
    }


def _extractor(extractor: Extractor, grid: Grid, dimension: int) -> dict[str, JsonValue]:
    planes = list(STACKS) if grid.spatial_dims == len(STACKS) else ["plane"]
    return {
        "name": extractor.name,
        "weights_sha256": extractor.weights_sha256,
        "features": dimension,
        "stacks": [VOLUME] if extractor.takes_volumes else [*planes],
        "resize_rule": extractor.resize_rule,
        "caution": extractor.caution,
    }


def _run_record(model_dir: Path | None) -> dict[str, JsonValue] | None:
    if model_dir is None:
        return None
    path = ModelFolder(model_dir).record
    if not path.is_file():
        raise DataError(Problem(str(path), "does not exist", "a model folder that training wrote"))
    return read_json(path)


def _curves(model_dir: Path | None) -> Arrays:
    """Return the columns of the training log as ``curve:<name>``, ``(points, 2)`` of step and value."""
    if model_dir is None:
        return {}
    curves: dict[str, list[tuple[float, float]]] = {}
    for path in sorted(ModelFolder(model_dir).logs.rglob("metrics.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                step = float(row.get("step") or "nan")
                for name, value in row.items():
                    if name not in {"step", "epoch"} and value:
                        curves.setdefault(name, []).append((step, float(value)))
    points: dict[str, NDArray[np.float64]] = {name: np.array(values) for name, values in curves.items()}
    return {f"curve:{name}": values for name, values in points.items()}
