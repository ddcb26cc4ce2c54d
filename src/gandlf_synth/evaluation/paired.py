"""Two sets of images of the same subjects, image by image: how near is each reconstruction to its original?"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth import registry
from gandlf_synth.data.formats.image import Image, stacked
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.formats.scan import Progress
from gandlf_synth.data.loading.store import default_cache
from gandlf_synth.data.processing.pipeline import with_mask
from gandlf_synth.data.processing.transforms.base import TransformError
from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.errors import DataError, Problem, listing, raise_if_any
from gandlf_synth.evaluation.paired_page import paired_page
from gandlf_synth.evaluation.sources import ImageSet, load_image_set
from gandlf_synth.files import TakesPaths, write_json, write_text
from gandlf_synth.metrics.intervals import Estimate, bootstrap
from gandlf_synth.provenance import software_versions

DEFAULT_METRICS = (
    "mean_absolute_error", "peak_signal_noise_ratio", "structural_similarity_index", "ms_ssim", "correlation",
)  # fmt: skip
_SHOWN = 20


@dataclass(frozen=True)
class PairedRequest(TakesPaths):
    """Two sets and how to compare them.

    Args:
        real: CSV or folder of the originals; a Mask column says which voxels count.
        synthetic: CSV or folder of what was made of them, matched by SubjectID, else by file name.
        output_dir: where ``metrics.json``, ``images.csv`` and ``report.html`` go.
        metrics: registered names; none: error, PSNR, SSIM, MS-SSIM and correlation.
        seed: of the bootstrap.
        command: the call, for the record.
    """

    real: Path
    synthetic: Path
    output_dir: Path
    metrics: tuple[str, ...] = ()
    seed: int = 0
    command: str = ""


@dataclass(frozen=True)
class PairedResult:
    """What was found.

    Args:
        metrics: each metric's mean with its interval by subject.
        per_class: the same per class of the originals; empty without classes.
        notes: what was left out.
        page: the report.
    """

    metrics: dict[str, Estimate]
    per_class: dict[str, dict[str, Estimate]]
    notes: list[str]
    page: Path


def run_paired(request: PairedRequest, progress: Progress) -> PairedResult:
    """Compare every pair and write what was found.

    Raises:
        DataError: no pairs, an unreadable file, a pair of different sizes, or a mask that does not fit.
        ConfigError: an unknown metric.
    """
    names = request.metrics or DEFAULT_METRICS
    measures = {name: registry.load("paired_metrics", name) for name in names}
    cache = default_cache()
    sources = [
        load_image_set(name, given, cache, progress, skip_unreadable=False)
        for name, given in (("real", request.real), ("synthetic", request.synthetic))
    ]
    pairs, notes = _pairs(*sources)
    rows, problems = [], []
    for one, other in progress(pairs, len(pairs), "Comparing pairs"):
        try:
            values = _values(one, other, measures)
        except TransformError as error:
            problems.append(Problem(sources[1].manifest.where(other, 0), str(error)))
            continue
        rows.append((one, other, values))
    raise_if_any(problems[:_SHOWN], DataError)
    metrics = _estimates(rows, names, request.seed)
    classes = sorted({one.label_name or str(one.label) for one, _, _ in rows if one.label is not None})
    per_class = {name: _estimates([row for row in rows if _class(row[0]) == name], names, 0) for name in classes}
    page = request.output_dir / "report.html"
    about = {"command": request.command, "pairs": len(rows), "notes": notes, "versions": software_versions()}
    found = {
        "metrics": {name: asdict(value) for name, value in metrics.items()},
        "per_class": {label: {n: asdict(v) for n, v in own.items()} for label, own in per_class.items()},
    }
    write_json(request.output_dir / "metrics.json", {**about, **found})
    write_text(request.output_dir / "images.csv", _table(rows, names))
    write_text(page, paired_page(metrics, per_class, _worst(rows), len(rows), notes))
    return PairedResult(metrics, per_class, notes, page)


_Row = tuple[Sample, Sample, dict[str, float]]


def _pairs(real: ImageSet, synthetic: ImageSet) -> tuple[list[tuple[Sample, Sample]], list[str]]:
    for key in (_subject, _stem):
        ours, theirs = ({key(each): each for each in source.manifest.samples} for source in (real, synthetic))
        unique = len(ours) == len(real.manifest.samples) and len(theirs) == len(synthetic.manifest.samples)
        shared = [name for name in ours if name in theirs]
        if unique and shared:
            alone = [*(n for n in ours if n not in theirs), *(n for n in theirs if n not in ours)]
            notes = [f"{len(alone)} images have no partner: {listing(alone, 5)}"] if alone else []
            return [(ours[name], theirs[name]) for name in shared], notes
    fix = "give both CSVs the same SubjectID once each, or files the same names"
    raise DataError(Problem(str(synthetic.given), f"has no image that belongs to one of {real.given}", fix=fix))


def _subject(sample: Sample) -> str:
    return sample.subject


def _stem(sample: Sample) -> str:
    return sample.channels[0].name.split(".")[0]


def _class(sample: Sample) -> str | None:
    return None if sample.label is None else sample.label_name or str(sample.label)


def _values(one: Sample, other: Sample, measures: Mapping[str, Any]) -> dict[str, float]:
    original, made = _image(one), _image(other)
    if original.array.shape != made.array.shape:
        sizes = ["×".join(map(str, image.array.shape)) for image in (made, original)]
        raise TransformError(f"is {sizes[0]}, and {one.channels[0]} is {sizes[1]} (channels first)")
    arrays = [image.array.astype(np.float64) for image in (original, made)]
    if one.mask is not None:
        inside = with_mask(original, read_image(one.mask)).mask
        arrays = _within(arrays[0], arrays[1], np.asarray(inside) > 0)
    return {name: measure(*arrays) for name, measure in measures.items()}


def _image(sample: Sample) -> Image:
    return stacked([read_image(path) for path in sample.channels])


def _within(original: NDArray[Any], made: NDArray[Any], inside: NDArray[np.bool_]) -> list[NDArray[Any]]:
    """Return both images in the mask's bounding box, equal outside the mask, so that only what is inside differs."""
    if not inside.any():
        raise TransformError("belongs to an original whose mask marks nothing")
    box = (slice(None), *(slice(places.min(), places.max() + 1) for places in np.nonzero(inside)))
    return [original[box], np.where(inside, made, original)[box]]


def _estimates(rows: Sequence[_Row], names: Sequence[str], seed: int) -> dict[str, Estimate]:
    subjects = [one.subject for one, _, _ in rows]
    found = {}
    for name in names:
        values = np.array([own[name] for _, _, own in rows])
        found[name] = bootstrap(lambda picks, values=values: float(values[picks].mean()), [subjects], seed=seed)
    return found


def _table(rows: Sequence[_Row], names: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["subject", "class", "real", "synthetic", *names])
    for one, other, values in rows:
        writer.writerow([one.subject, _class(one) or "", one.channels[0], other.channels[0], *values.values()])
    return text.getvalue()


def _worst(rows: Sequence[_Row], count: int = 10) -> list[tuple[str, dict[str, float]]]:
    first = next(iter(rows[0][2]))
    return [(one.subject, own) for one, _, own in sorted(rows, key=lambda row: -row[2][first])[:count]]
