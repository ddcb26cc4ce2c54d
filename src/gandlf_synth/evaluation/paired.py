"""Two sets of images of the same subjects, image by image: how near is each reconstruction to its original?"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from gandlf_synth.data.formats.cache_folder import default_cache
from gandlf_synth.data.formats.image import Image, stacked
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.formats.recorded_scale import read_in_data_units
from gandlf_synth.data.inspection.fingerprint import fingerprint
from gandlf_synth.data.processing.base import TransformError
from gandlf_synth.data.processing.pipeline import with_mask
from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.errors import DataError, Problem, listing, raise_if_any
from gandlf_synth.evaluation.image_sets import ImageSet, load_image_set
from gandlf_synth.evaluation.report.templates import load_template, page_file
from gandlf_synth.evaluation.set_units import compared_ranges, other_units
from gandlf_synth.files import TakesPaths, write_csv, write_json, write_text
from gandlf_synth.metrics.intervals import Estimate, Indices, bootstrap
from gandlf_synth.metrics.paired.base import Array, PairedMetric, build_paired_metric
from gandlf_synth.progress import Progress
from gandlf_synth.provenance import software_versions

DEFAULT_METRICS = (
    "mean_absolute_error", "peak_signal_noise_ratio", "structural_similarity_index", "ms_ssim", "correlation",
)  # fmt: skip
_SHOWN = 20
_WORST = 10


@dataclass(frozen=True)
class PairedRequest(TakesPaths):
    """Two sets and how to compare them.

    Args:
        real: CSV or folder of the originals; a Mask column says which voxels count.
        synthetic: CSV or folder of their reconstructions, matched by SubjectID, else by file name.
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
    measures: dict[str, PairedMetric] = {name: build_paired_metric(name) for name in names}
    cache = default_cache()
    sources = [
        load_image_set(name, path, cache, progress, skip_unreadable=False)
        for name, path in (("real", request.real), ("synthetic", request.synthetic))
    ]
    pairs, notes = _pairs(*sources)
    notes += _check_units(*sources)
    rows, problems = [], []
    for original, reconstruction in progress(pairs, len(pairs), "Comparing pairs"):
        try:
            rows.append(_Row(original, reconstruction, _values(original, reconstruction, measures)))
        except TransformError as error:
            problems.append(Problem(sources[1].manifest.where(reconstruction, 0), str(error)))
    raise_if_any(problems[:_SHOWN], DataError)
    metrics = _estimates(rows, names, request.seed)
    classes = sorted({row.class_name for row in rows if row.class_name is not None})
    per_class = {name: _estimates([row for row in rows if row.class_name == name], names, 0) for name in classes}
    result = PairedResult(metrics, per_class, notes, request.output_dir / "report.html")
    _write(request, result, rows, names)
    return result


def _check_units(real: ImageSet, synthetic: ImageSet) -> list[str]:
    """Return what to tell of the units, with what the sets themselves have to tell.

    Raises:
        DataError: the sets are in different units.
    """
    facts = {source.name: fingerprint([source.unmasked], source.scans) for source in (real, synthetic)}
    own, warnings = other_units(facts, common=False)
    if own:
        what = f"is in another unit than the originals: {compared_ranges(facts['real'], *facts.popitem())}"
        fix = "write both in one unit: an error is a difference of values"
        raise DataError(Problem(str(synthetic.path), what, fix=fix))
    return [*real.notes, *synthetic.notes, *warnings]


@dataclass(frozen=True)
class _Row:
    """A pair with the value of each metric."""

    original: Sample
    reconstruction: Sample
    values: dict[str, float]

    @property
    def class_name(self) -> str | None:
        sample = self.original
        return None if sample.label is None else sample.label_name or str(sample.label)


def _pairs(real: ImageSet, synthetic: ImageSet) -> tuple[list[tuple[Sample, Sample]], list[str]]:
    for key in (_subject, _stem):
        originals, others = ({key(sample): sample for sample in part.manifest.samples} for part in (real, synthetic))
        unique = len(originals) == len(real.manifest.samples) and len(others) == len(synthetic.manifest.samples)
        shared = [name for name in originals if name in others]
        if unique and shared:
            alone = [name for name in (*originals, *others) if (name in originals) != (name in others)]
            notes = [f"{len(alone)} images have no partner: {listing(alone, 5)}"] if alone else []
            return [(originals[name], others[name]) for name in shared], notes
    fix = "give both CSVs the same SubjectID once each, or files the same names"
    raise DataError(Problem(str(synthetic.path), f"has no image that belongs to one of {real.path}", fix=fix))


def _subject(sample: Sample) -> str:
    return sample.subject


def _stem(sample: Sample) -> str:
    return sample.channels[0].name.split(".")[0]


def _values(original: Sample, reconstruction: Sample, measures: Mapping[str, PairedMetric]) -> dict[str, float]:
    images = [_laid_alike(original), _laid_alike(replace(reconstruction, mask=None))]
    if images[0].array.shape != images[1].array.shape:
        sizes = ["×".join(map(str, image.array.shape)) for image in images]
        raise TransformError(f"is {sizes[1]}, and {original.channels[0]} is {sizes[0]} (channels first)")
    arrays: list[Array] = [image.array.astype(np.float64) for image in images]
    mask = None if images[0].mask is None else images[0].mask > 0
    if mask is not None and not mask.any():
        raise TransformError("belongs to an original whose mask marks nothing")
    return {name: measure(arrays[0], arrays[1], mask) for name, measure in measures.items()}


def _laid_alike(sample: Sample) -> Image:
    """Return an image with its mask, however its axes run in the file."""
    image = stacked([read_in_data_units(path) for path in sample.channels])
    return (image if sample.mask is None else with_mask(image, read_image(sample.mask))).canonical()


def _estimates(rows: Sequence[_Row], names: Sequence[str], seed: int) -> dict[str, Estimate]:
    subjects = [row.original.subject for row in rows]
    columns = {name: np.array([row.values[name] for row in rows]) for name in names}
    return {name: bootstrap(partial(_mean, column), [subjects], seed=seed) for name, column in columns.items()}


def _mean(values: Array, chosen: Indices) -> float:
    return float(values[chosen].mean())


def _write(request: PairedRequest, result: PairedResult, rows: Sequence[_Row], names: Sequence[str]) -> None:
    estimates = {name: asdict(value) for name, value in result.metrics.items()}
    per_class = {
        label: {name: asdict(value) for name, value in values.items()} for label, values in result.per_class.items()
    }
    about = {
        "command": request.command,
        "pairs": len(rows),
        "notes": result.notes,
        "versions": software_versions(),
        "metrics": estimates,
        "per_class": per_class,
    }
    write_json(request.output_dir / "metrics.json", about)
    table = [
        [row.original.subject, row.class_name or "", *(part.channels[0] for part in (row.original, row.reconstruction)),
         *row.values.values()]
        for row in rows
    ]  # fmt: skip
    write_csv(request.output_dir / "images.csv", [["subject", "class", "real", "synthetic", *names], *table])
    worst = sorted(rows, key=lambda row: -row.values[names[0]])[:_WORST]
    page = load_template("paired.html").render(
        metrics=result.metrics,
        classes=result.per_class,
        worst=[(row.original.subject, row.values) for row in worst],
        count=len(rows),
        notes=result.notes,
        style=page_file("style.css"),
    )
    write_text(result.page, page)
