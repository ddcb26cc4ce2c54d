"""One evaluation from the two sets of images to the report."""

import json
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from gandlf_synth.data.formats.scan import Progress
from gandlf_synth.data.loading.store import default_cache
from gandlf_synth.errors import DataError, Problem
from gandlf_synth.evaluation.diversity import duplicates, likeness, overlap
from gandlf_synth.evaluation.features import ImageSetFeatures, extract_features
from gandlf_synth.evaluation.fidelity import fid, histogram, kid, spectrum, texture
from gandlf_synth.evaluation.gallery import arrays_of
from gandlf_synth.evaluation.planes import STACKS, Grid, choose_grid, read_planes
from gandlf_synth.evaluation.privacy import privacy
from gandlf_synth.evaluation.request import EvaluationRequest
from gandlf_synth.evaluation.results import Evaluation, Metric
from gandlf_synth.evaluation.sources import ImageSet, load_image_set
from gandlf_synth.evaluation.store import EvaluationFolder, write_images
from gandlf_synth.evaluation.utility import usefulness
from gandlf_synth.evaluation.verdict import verdicts
from gandlf_synth.evaluation.volumes import STACK, read_volumes
from gandlf_synth.launcher import peak_memory_mb
from gandlf_synth.metrics.extractors import Extractor, build_extractor
from gandlf_synth.metrics.first_order import NAMES
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.provenance import digest, software_versions

_FEW = 50
_FEWEST_SUBJECTS = 4


def run_evaluation(request: EvaluationRequest, progress: Progress) -> Evaluation:
    """Compare two sets of images and write numbers, arrays and one row per image to the output folder.

    Raises:
        DataError: a set is missing, empty, unreadable, or the sets cannot be compared.
        ConfigError: the extractor or its weights are wrong.
        MissingExtraError: the extractor's package is not installed.
    """
    started = time.monotonic()
    extractor = build_extractor(request.extractor, request.extractor_weights, allow_download=request.allow_download)
    cache = default_cache()
    sources = _sources(request, cache, progress)
    grid, notes = choose_grid(sources, request)
    notes = [note for source in sources for note in source.notes] + notes + _cautions(sources)
    extractor.check_images(grid.spatial_dims)
    described = [_described(source, grid, extractor, cache, progress) for source in sources]
    real, synthetic = described[:2]
    train = described[2] if len(described) > 2 else None
    evaluation, arrays = _measure(request, real, synthetic, train, extractor, grid, progress)
    evaluation.inputs = {source.name: _input(source, own) for source, own in zip(sources, described, strict=True)}
    evaluation.notes = _identical(described) + notes + ([extractor.caution] if extractor.caution else [])
    evaluation.run_record = _run_record(request.model_dir)
    evaluation.seconds = round(time.monotonic() - started, 1)
    evaluation.peak_memory_mb = peak_memory_mb()
    if request.model_dir is not None:
        arrays |= _curves(request.model_dir)
    EvaluationFolder(request.output_dir).write(evaluation, arrays)
    return evaluation


def _sources(request: EvaluationRequest, cache: Path, progress: Progress) -> list[ImageSet]:
    given = {"real": request.real, "synthetic": request.synthetic, "train": request.train}
    sources = [
        load_image_set(name, path, cache, progress, skip_unreadable=request.skip_unreadable)
        for name, path in given.items()
        if path is not None
    ]
    subjects = len({sample.subject for sample in sources[0].manifest.samples})
    if subjects < _FEWEST_SUBJECTS:
        what = f"are of {subjects} subject{'s' if subjects > 1 else ''}"
        fix = "without more, real images cannot be compared with real ones, and no number means anything"
        raise DataError(Problem(f"real images in {request.real}", what, f"at least {_FEWEST_SUBJECTS} subjects", fix))
    return sources


def _described(source: ImageSet, grid: Grid, extractor: Extractor, cache: Path, progress: Progress) -> ImageSetFeatures:
    planes = read_planes(source, grid, cache, progress)
    volumes = read_volumes(planes, grid, extractor.side, cache, progress) if extractor.takes_volumes else None
    return extract_features(planes, extractor, cache, progress, volumes)


def _stacks(grid: Grid, extractor: Extractor) -> list[str]:
    """Return the names of the stacks in which the features are compared."""
    if extractor.takes_volumes:
        return [STACK]
    return list(STACKS) if grid.spatial_dims == len(STACKS) else ["plane"]


def _cautions(sources: list[ImageSet]) -> list[str]:
    small = [
        f"{source.name} {len(source.manifest.samples)}" for source in sources if len(source.manifest.samples) < _FEW
    ]
    notes = [f"subjects of {source.name}: {source.manifest.subject_rule}" for source in sources]
    if small:
        notes.append(f"few images ({', '.join(small)}): intervals are wide; {_FEW} and more per set are advised")
    return notes


def _identical(described: list[ImageSetFeatures]) -> list[str]:
    """Return a note for every other set that holds files of the synthetic set, byte for byte."""
    synthetic = described[1].planes
    found = []
    for other in (described[0], *described[2:]):
        same = sum(content in set(other.planes.content) for content in synthetic.content)
        if same:
            found.append(f"{same} of {len(synthetic)} synthetic files are byte for byte {other.planes.name} files")
    return found


def _measure(
    request: EvaluationRequest,
    real: ImageSetFeatures,
    synthetic: ImageSetFeatures,
    train: ImageSetFeatures | None,
    extractor: Extractor,
    grid: Grid,
    progress: Progress,
) -> tuple[Evaluation, dict[str, Any]]:
    name = f"{extractor.name}, weights sha256 {extractor.weights_sha256[:12]}, {real.dimension} features"
    seed, limits = request.seed, request.thresholds
    measures: list[Callable[[], Metric]] = [
        lambda: kid(real, synthetic, name, seed),
        lambda: fid(real, synthetic, name, seed),
        lambda: spectrum(real, synthetic, seed),
        lambda: histogram(real, synthetic, seed),
        lambda: texture(real, synthetic, NAMES, seed),
        lambda: likeness(real, synthetic, seed),
        lambda: duplicates(real, synthetic, limits.false_alarm, seed),
    ]
    metrics = [measure() for measure in progress(measures, len(measures), "Comparing")]
    overlapping = overlap(real, synthetic, name, seed)
    found = privacy(real, synthetic, train, limits.false_alarm, seed)
    metrics += overlapping.metrics + found.metrics + usefulness(real, synthetic, train, name, seed)
    write_images(EvaluationFolder(request.output_dir).images, real, synthetic, found)
    evaluation = Evaluation(
        command=request.command,
        made=datetime.now().astimezone().isoformat(timespec="seconds"),
        inputs={},
        comparison={
            "size": grid.size,
            "resize_rule": grid.resize_rule,
            "intensity_rule": grid.intensity_rule,
            "spatial_dims": grid.spatial_dims,
            "seed": seed,
        },
        extractor={
            "name": extractor.name,
            "weights_sha256": extractor.weights_sha256,
            "features": real.dimension,
            "stacks": _stacks(grid, extractor),
            "resize_rule": extractor.resize_rule,
            "caution": extractor.caution,
        },
        thresholds=limits.model_dump(),
        metrics=metrics,
        per_class=overlapping.per_class,
        copies=found.pairs,
        verdicts=verdicts(metrics, overlapping.per_class, limits),
        notes=[],
        versions=software_versions(),
        seconds=0,
        peak_memory_mb=0,
    )
    return evaluation, arrays_of(real, synthetic, found, grid, seed)


def _input(source: ImageSet, described: ImageSetFeatures) -> dict[str, Any]:
    return {
        "path": str(source.given),
        "images": len(described.planes),
        "subjects": len(np.unique(described.planes.subjects)),
        "classes": source.manifest.labels,
        "content_digest": digest(sorted(described.planes.content)),
    }


def _run_record(model_dir: Path | None) -> dict[str, Any] | None:
    if model_dir is None:
        return None
    path = ModelFolder(model_dir).record
    if not path.is_file():
        raise DataError(Problem(str(path), "does not exist", "a model folder that training wrote"))
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def _curves(model_dir: Path) -> dict[str, Any]:
    """Return the columns of the training log as ``curve:<name>``, ``(points, 2)`` of step and value."""
    import csv

    curves: dict[str, list[tuple[float, float]]] = {}
    for path in sorted(ModelFolder(model_dir).logs.rglob("metrics.csv")):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                step = float(row.get("step") or "nan")
                for name, value in row.items():
                    if name not in {"step", "epoch"} and value:
                        curves.setdefault(name, []).append((step, float(value)))
    return {f"curve:{name}": np.array(points) for name, points in curves.items()}
