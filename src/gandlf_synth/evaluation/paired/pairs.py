"""Which original belongs to which reconstruction, and everything that is wrong with a pair, before any work."""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gandlf_synth.data.formats.scan import FileScan, Scans, scan_files
from gandlf_synth.data.formats.writers import read_provenance
from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.errors import DataError, Problem, listing, raise_if_any
from gandlf_synth.evaluation.image_sets import ImageSet
from gandlf_synth.evaluation.paired.comparison import Comparison
from gandlf_synth.evaluation.paired.grids import grid_problem
from gandlf_synth.progress import Progress

_SHOWN = 20
_VOIDED = "Source_0"


@dataclass(frozen=True)
class Pair:
    """An original and its reconstruction.

    Args:
        original: the row of the original.
        reconstruction: the row of the reconstruction.
        where: the row of the original, for messages.
        made: the row of the reconstruction, for messages.
        mask_column: the column that says which voxels count; empty: all count.
        mask: its file.
        voided: the image without what was made anew; None: none, or the original without the mask.
    """

    original: Sample
    reconstruction: Sample
    where: str
    made: str
    mask_column: str = ""
    mask: Path | None = None
    voided: Path | None = None

    @property
    def class_name(self) -> str | None:
        """The class of the original."""
        sample = self.original
        return None if sample.label is None else sample.label_name or str(sample.label)


def match_pairs(real: ImageSet, synthetic: ImageSet, comparison: Comparison) -> tuple[list[Pair], list[str]]:
    """Return the pairs and what has no partner.

    Images belong together by subject, else by the name of the file, else by the row that a synthetic one was made from.

    Raises:
        DataError: no image belongs to another.
    """
    for key_of_original, key in ((_subject, _subject), (_stem, _stem), (partial(_row, real), _row_made_from)):
        originals = {key_of_original(sample): sample for sample in real.manifest.samples}
        others = {key(sample): sample for sample in synthetic.manifest.samples}
        unique = len(originals) == len(real.manifest.samples) and len(others) == len(synthetic.manifest.samples)
        shared = [name for name in originals if name in others]
        if unique and shared:
            alone = [str(name) for name in (*originals, *others) if (name in originals) != (name in others)]
            notes = [f"{len(alone)} images have no partner: {listing(alone, 5)}"] if alone else []
            places = (str(real.manifest.path), str(synthetic.manifest.path))
            return [_pair(originals[name], others[name], places, comparison) for name in shared], notes
    fix = "give both CSVs the same SubjectID once each, or files the same names, or the CSV that generate -dt was given"
    raise DataError(Problem(str(synthetic.path), f"has no image that belongs to one of {real.path}", fix=fix))


def _subject(sample: Sample) -> Hashable:
    return sample.subject


def _row(real: ImageSet, sample: Sample) -> Hashable:
    return real.manifest.path.name, sample.row, sample.subject


def _row_made_from(sample: Sample) -> Hashable:
    """Return the CSV, row and subject of which the file says that it was made, else the file."""
    path = next(iter(sample.images.values()))
    record = read_provenance(path) or {}
    known = tuple(record.get(key) for key in ("csv", "row", "subject"))
    return path if None in known else known


def _stem(sample: Sample) -> Hashable:
    return next(iter(sample.images.values())).name.split(".")[0]


def _pair(original: Sample, reconstruction: Sample, places: tuple[str, str], comparison: Comparison) -> Pair:
    files = {"Mask": original.mask, "Region": original.region}
    column = next((name for name in comparison.mask_columns if files[name]), "")
    voided = original.sources[0] if comparison.normalize_by == "voided" and original.sources else None
    where, made = (f"{place} row {row.row}" for place, row in zip(places, (original, reconstruction), strict=True))
    return Pair(original, reconstruction, where, made, column, files[column] if column else None, voided)


def check_pairs(
    pairs: Sequence[Pair], real: ImageSet, synthetic: ImageSet, comparison: Comparison, cache: Path, progress: Progress
) -> list[str]:
    """Return what to tell of the pairs.

    Raises:
        DataError: what cannot be compared, with row and column: unreadable files, other grids, masks that are missing
            or mark nothing, images and voided images of one value.
    """
    scans = dict(real.scans) | dict(synthetic.scans)
    scans |= scan_files([path for pair in pairs for path in (pair.mask, pair.voided) if path], cache, progress)
    problems = [problem for pair in pairs for problem in _problems(pair, scans, comparison)]
    hidden = len(problems) - _SHOWN
    if hidden > 0:
        problems = [*problems[:_SHOWN], Problem("", f"… and {hidden} more like these")]
    raise_if_any(problems, DataError)
    masked = Counter(pair.mask_column for pair in pairs if pair.mask_column)
    notes = [f"{count} of {len(pairs)} pairs are compared inside their {name} only" for name, count in masked.items()]
    without = sum(pair.voided is None for pair in pairs)
    if comparison.normalize_by == "voided" and without:
        notes.append(
            f"{without} of {len(pairs)} rows have no {_VOIDED}: their voided image is taken to be the original with 0 "
            "inside the mask"
        )
    return notes


def _problems(pair: Pair, scans: Scans, comparison: Comparison) -> Iterator[Problem]:
    of_channels = [problem for problem in _channel_problems(pair, scans) if problem]
    if of_channels:
        yield from of_channels
        return
    original = pair.original.channels[0]
    like = scans[original]
    if comparison.needs_mask and pair.mask is None:
        names = " or ".join(comparison.mask_columns)
        what = f"is missing or empty, and {comparison.title} is computed inside it"
        yield Problem(f"{pair.where}, column {names}", what, "a file that is above 0 where voxels count")
    if pair.mask is not None:
        yield from _mask_problems(f"{pair.where}, column {pair.mask_column} ({pair.mask})", scans[pair.mask], like)
    if pair.voided is not None:
        where = f"{pair.where}, column {_VOIDED} ({pair.voided})"
        yield from _reference_problems(where, scans[pair.voided], like)
    elif comparison.normalize_by == "original":
        yield from _reference_problems(f"{pair.where}, column Channel_0 ({original})", like, like)
    elif comparison.normalize_by is None and like.smallest == like.largest and comparison.takes_own_range:
        what = f"has one value only, {like.smallest:g}, so there is no range to compare in"
        yield Problem(f"{pair.where}, column Channel_0 ({original})", what, fix="leave the row out, or give a range")


def _channel_problems(pair: Pair, scans: Scans) -> Iterator[Problem | None]:
    originals, others = pair.original.channels, pair.reconstruction.channels
    if not (originals and others):
        where = pair.made if originals else pair.where
        yield Problem(f"{where}, column Channel_0", "is empty: there is nothing to compare", "the path of an image")
        return
    for where, paths in ((pair.where, originals), (pair.made, others)):
        for number, path in enumerate(paths):
            yield scans[path].problem_at(f"{where}, column Channel_{number} ({path})")
    if any(scans[path].problem for path in (*originals, *others)):
        return
    counts = [sum(scans[path].channels for path in paths) for paths in (originals, others)]
    if counts[0] != counts[1]:
        what = f"has {counts[1]} channels, and {originals[0]} has {counts[0]}"
        yield Problem(f"{pair.made}, column Channel_0 ({others[0]})", what)
        return
    like = scans[originals[0]].geometry
    for where, paths in ((pair.where, originals[1:]), (pair.made, others)):
        for number, path in enumerate(paths, 1 if paths is not others else 0):
            different = grid_problem(scans[path].geometry, like)
            if different:
                fix = f"write it on the grid of {originals[0]}"
                yield Problem(f"{where}, column Channel_{number} ({path})", different, fix=fix)


def _mask_problems(where: str, mask: FileScan, like: FileScan) -> Iterator[Problem]:
    if mask.problem:
        yield Problem(where, *mask.problem)
    elif mask.channels != 1 or not mask.whole_numbers:
        yield Problem(where, "holds other values than whole numbers in one channel", "labels, above 0 inside")
    elif different := grid_problem(mask.geometry, like.geometry):
        yield Problem(where, different, "a mask on the grid of the original")
    elif mask.largest <= 0:
        yield Problem(where, "marks nothing: no voxel is above 0", fix="mark what counts, or leave the row out")


def _reference_problems(where: str, scan: FileScan, like: FileScan) -> Iterator[Problem]:
    if scan.problem:
        yield Problem(where, *scan.problem)
    elif different := grid_problem(scan.geometry, like.geometry):
        yield Problem(where, different, "an image on the grid of the original")
    elif max(scan.low[0], 0) >= scan.high[0]:
        ends = f"its 0.5th and 99.5th percentile, not below 0, are {max(scan.low[0], 0):g} and {scan.high[0]:g}"
        fix = "name an image in which the body is not 0"
        yield Problem(where, f"has no range to bring values to [0, 1] by: {ends}", fix=fix)
