"""Compares every pair, segments both images where a segmenter is named, and writes numbers, error maps and a report."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gandlf_synth.data.formats.cache_folder import default_cache
from gandlf_synth.data.formats.readers import UnreadableError
from gandlf_synth.data.inspection.fingerprint import fingerprint
from gandlf_synth.errors import DataError, MissingExtraError, Problem, raise_if_any
from gandlf_synth.evaluation.image_sets import ImageSet, load_image_set
from gandlf_synth.evaluation.paired.comparison import Comparison
from gandlf_synth.evaluation.paired.error_maps import error_picture, write_error_map
from gandlf_synth.evaluation.paired.images import PairImages, compared_arrays, read_pair
from gandlf_synth.evaluation.paired.pairs import Pair, check_pairs, match_pairs
from gandlf_synth.evaluation.paired.request import PairedRequest, PairedResult
from gandlf_synth.evaluation.paired.segmentation import PairSegmenter
from gandlf_synth.evaluation.report.paired_page import PairShown, render_paired
from gandlf_synth.evaluation.set_units import compared_ranges, unit_differences
from gandlf_synth.files import file_name, write_csv, write_json, write_text
from gandlf_synth.metrics.intervals import Estimate, Indices, bootstrap
from gandlf_synth.metrics.paired.base import Array, PairedMetric, build_paired_metric
from gandlf_synth.metrics.paired.perceptual_distance import build_distance
from gandlf_synth.progress import Progress
from gandlf_synth.provenance import SYNTHETIC_MARK, software_versions

_SHOWN = 20
_WORST = 10
_PERCEPTUAL = "perceptual_distance"


@dataclass(frozen=True)
class _Row:
    """A pair with the value of each metric."""

    pair: Pair
    values: dict[str, float]


@dataclass
class _Measures:
    """What is measured of every pair, and what is to be told of it."""

    comparison: Comparison
    metrics: dict[str, PairedMetric]
    segmenter: PairSegmenter | None
    notes: list[str] = field(default_factory=list)

    def of(self, pair: Pair, images: PairImages) -> dict[str, float]:
        """Return the value of every metric.

        Raises:
            ValueError: the images have no range to compare in.
            DataError: the segmenter fails.
        """
        original, reconstruction, mask = compared_arrays(images, self.comparison)
        values = {name: metric(original, reconstruction, mask) for name, metric in self.metrics.items()}
        return values | (self.segmenter(pair, images) if self.segmenter else {})


def run_paired(request: PairedRequest, progress: Progress) -> PairedResult:
    """Compare every pair and write what was found.

    Raises:
        DataError: no pairs, an unreadable file, a pair on different grids, a mask that does not fit or is missing, or a
            segmenter that fails.
        ConfigError: an unknown metric or preset, or a segmenter that cannot be run.
    """
    comparison = request.comparison
    cache = default_cache()
    real, synthetic = (
        load_image_set(name, path, cache, progress, skip_unreadable=False)
        for name, path in (("real", request.real), ("synthetic", request.synthetic))
    )
    pairs, notes = match_pairs(real, synthetic, comparison)
    notes += check_pairs(pairs, real, synthetic, comparison, cache, progress)
    notes += _check_units(real, synthetic, request.preset)
    measures = _measures(request, comparison, pairs, len(real.scans[pairs[0].original.channels[0]].shape))
    rows = _compare(pairs, measures, progress)
    return _conclude(request, rows, measures, [*notes, *measures.notes], progress)


def _measures(request: PairedRequest, comparison: Comparison, pairs: Sequence[Pair], spatial_dims: int) -> _Measures:
    """Return the metrics with their parameters; the perceptual one is left out where nobody named it and it lacks."""
    notes = [*comparison.notes]
    parameters = {name: dict(given) for name, given in comparison.metrics.items()}
    if _PERCEPTUAL in parameters:
        try:
            build_distance(request.extractor, request.extractor_weights, spatial_dims)
        except MissingExtraError as error:
            if request.metrics:
                raise
            del parameters[_PERCEPTUAL]
            notes.append(f"no perceptual distance: {error}")
        else:
            parameters[_PERCEPTUAL] |= {"network": request.extractor, "weights": request.extractor_weights}
            notes.append(
                f"the perceptual distance is LPIPS without learned weights, by {request.extractor}: compare it with "
                "numbers of the same network only"
            )
    metrics = {name: build_paired_metric(name, given) for name, given in parameters.items()}
    segmenter = PairSegmenter.prepare(request, comparison, pairs) if request.segmenter else None
    return _Measures(comparison, metrics, segmenter, notes)


def _compare(pairs: Sequence[Pair], measures: _Measures, progress: Progress) -> list[_Row]:
    rows, problems = [], []
    for pair in progress(pairs, len(pairs), "Comparing pairs"):
        try:
            rows.append(_Row(pair, measures.of(pair, read_pair(pair, measures.comparison))))
        except (UnreadableError, ValueError) as error:
            problems.append(Problem(f"{pair.where}, column Channel_0 ({pair.original.channels[0]})", str(error)))
    raise_if_any(problems[:_SHOWN], DataError)
    if measures.segmenter:
        measures.notes += measures.segmenter.notes
    return rows


def _check_units(real: ImageSet, synthetic: ImageSet, preset: str | None) -> list[str]:
    """Return what to tell of the units, with what the sets themselves have to tell.

    Raises:
        DataError: the sets are in different units.
    """
    facts = {source.name: fingerprint([source.unmasked], source.scans) for source in (real, synthetic)}
    if any(difference.window and not difference.same_type for difference in unit_differences(facts, common=False)):
        what = f"is in another unit than the originals: {compared_ranges(facts['real'], *facts.popitem())}"
        fix = "write both in one unit: an error is a difference of values"
        raise DataError(Problem(str(synthetic.path), what, fix=fix))
    warnings = [difference.warning for difference in unit_differences(facts, common=True)]
    if preset == "synthrad" and any(unit.unit != "hounsfield" for unit in facts["real"].units):
        warnings.append(
            "the originals do not look like CT in HU, in which synthrad measures: its errors and ranges mean nothing "
            "in another unit"
        )
    return [*real.cautions, *synthetic.cautions, *real.facts, *synthetic.facts, *warnings]


def _conclude(
    request: PairedRequest, rows: list[_Row], measures: _Measures, notes: list[str], progress: Progress
) -> PairedResult:
    names = list(rows[0].values)
    notes = [*notes, *_undefined(rows, names)]
    ranked = _worst_first(rows, names[0], measures)
    mapped = {"all": ranked, "worst": ranked[:_WORST], "none": []}[request.error_maps]
    paths: list[Path] = []
    shown: list[PairShown] = []
    for row in progress(mapped, len(mapped), "Writing error maps"):
        images = read_pair(row.pair, request.comparison)
        maps = write_error_map(images, _place(request, row.pair), _provenance(row.pair))
        paths += maps
        if len(shown) < _WORST:
            shown.append(PairShown(row.pair.original.subject, row.values, error_picture(images), maps[0].name))
    if not shown:
        shown = [PairShown(row.pair.original.subject, row.values) for row in ranked[:_WORST]]
    classes = sorted({row.pair.class_name for row in rows if row.pair.class_name is not None})
    per_class = {name: _estimates([row for row in rows if row.pair.class_name == name], names, 0) for name in classes}
    page = request.output_dir / "report.html"
    result = PairedResult(_estimates(rows, names, request.seed), per_class, notes, page, paths)
    _write(request, result, rows, shown)
    return result


def _undefined(rows: Sequence[_Row], names: Sequence[str]) -> list[str]:
    counts = {name: sum(np.isnan(row.values[name]) for row in rows) for name in names}
    infinite = [name for name in names if any(np.isinf(row.values[name]) for row in rows)]
    return [
        *(f"{name} has no value for {count} of {len(rows)} pairs, which its mean leaves out"
          for name, count in counts.items() if count),
        *(f"{name} is infinite: there are pairs of equal images" for name in infinite),
    ]  # fmt: skip


def _worst_first(rows: Sequence[_Row], name: str, measures: _Measures) -> list[_Row]:
    """Return the rows by how far the metric is from what it says of an original and itself, the farthest first."""
    comparison = measures.comparison
    original, _, mask = compared_arrays(read_pair(rows[0].pair, comparison), comparison)
    higher_is_better = measures.metrics[name](original, original, mask) > rows[0].values[name]
    sign = 1 if higher_is_better else -1
    return sorted(rows, key=lambda row: (np.isnan(row.values[name]), sign * row.values[name]))


def _place(request: PairedRequest, pair: Pair) -> Path:
    return request.output_dir / "error_maps" / f"{file_name(pair.original.subject)}_row_{pair.original.row}"


def _provenance(pair: Pair) -> dict[str, object]:
    originals, others = ([str(path) for path in row.channels] for row in (pair.original, pair.reconstruction))
    about = {"synthetic": True, "mark": SYNTHETIC_MARK, "software": software_versions()}
    return {**about, "error_map": {"original": originals, "reconstruction": others}}


def _estimates(rows: Sequence[_Row], names: Sequence[str], seed: int) -> dict[str, Estimate]:
    """Return the mean of each metric over the pairs that have a value."""
    estimates = {}
    for name in names:
        defined = [row for row in rows if not np.isnan(row.values[name])]
        values = np.array([row.values[name] for row in defined])
        if not np.isfinite(values).all() or not defined:
            mean = float(values.mean()) if defined else float("nan")
            estimates[name] = Estimate(mean, mean, mean)
        else:
            subjects = [row.pair.original.subject for row in defined]
            estimate = bootstrap(partial(_mean, values), [subjects], seed=seed)
            estimates[name] = estimate if len(set(subjects)) > 1 else _without_interval(estimate)
    return estimates


def _without_interval(estimate: Estimate) -> Estimate:
    return Estimate(estimate.value, float("nan"), float("nan"), "none: one subject")


def _mean(values: Array, chosen: Indices) -> float:
    return float(values[chosen].mean())


def _plain(estimates: Mapping[str, Estimate]) -> dict[str, dict[str, float | str | None]]:
    """Return estimates as JSON holds them, which knows no infinity and no nan."""
    return {
        name: {key: None if isinstance(part, float) and not np.isfinite(part) else part for key, part in parts.items()}
        for name, parts in ((name, asdict(value)) for name, value in estimates.items())
    }


def _write(request: PairedRequest, result: PairedResult, rows: Sequence[_Row], shown: Sequence[PairShown]) -> None:
    comparison = request.comparison
    about: dict[str, Any] = {
        "command": request.command,
        "preset": request.preset,
        "comparison": comparison.model_dump(mode="json"),
        "pairs": len(rows),
        "notes": result.notes,
        "versions": software_versions(),
        "metrics": _plain(result.metrics),
        "per_class": {label: _plain(values) for label, values in result.per_class.items()},
    }
    write_json(request.output_dir / "metrics.json", about)
    header = ["subject", "class", "real", "synthetic", *result.metrics]
    table = [
        [row.pair.original.subject, row.pair.class_name or "", row.pair.original.channels[0],
         row.pair.reconstruction.channels[0], *row.values.values()]
        for row in rows
    ]  # fmt: skip
    write_csv(request.output_dir / "images.csv", [header, *table])
    write_text(result.page, render_paired(result.metrics, result.per_class, result.notes, comparison, shown, len(rows)))
