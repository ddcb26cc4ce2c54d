"""In which unit the values of a column's images are, from what the values and the headers say.

The number type in which values are stored says nothing: Hounsfield units are as often floats as integers, and 16-bit
files hold 8, 12 or 16 bits. One decision is made for all images of a column, so that equal values stay equal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gandlf_synth.data.formats.scan import FileScan, Scans
from gandlf_synth.data.table.manifest import Cell, Manifest, cells_of
from gandlf_synth.data.table.row_checks import capped
from gandlf_synth.errors import DataError, Problem, raise_if_any

_MOST_OUTSIDE = 0.02
"""Share of voxels that may lie outside the Hounsfield scale: metal, and what interpolation makes at the padding."""
_LEAST_AIR, _LEAST_SOFT = 0.01, 0.02
_LEAST_SOFT_WITHOUT_AIR = 0.3
_AIR_BELOW, _LUNG, _SOFT, _DENSE = 1, 2, 3, 4
"""Places in ``FileScan.hounsfield_shares``."""
_PADDING = (-1024.0, -2000.0, -2048.0, -3000.0, -3024.0)
"""What scanners and tools write where nothing was measured."""
_MOST_WITHOUT_NEGATIVE = 300.0
"""HU above which an image would show fat or air, below 0, if it were CT."""
_WIDTHS = {_LUNG: 650.0, _SOFT: 350.0}
_DEPTHS = {8: 255, 12: 4095, 16: 65535}
"""Largest value of each usual number of bits; 10 and 14 bits lie between."""
_FULL_SCALES = (255, 1023, 4095, 16383, 65535)
_FILLED = 0.25
"""Share of its depth's scale that an image reaches which uses that depth."""
_FEWEST_SHARE = 0.05
_WILD = 4.0
"""Ratio of the 90th to the 10th percentile of the images' ranges from which they share no scale."""

Unit = Literal["hounsfield", "full_scale", "arbitrary"]
Where = Callable[[int], str]
"""Returns the place in the CSV of one of a column's files, for messages."""


@dataclass(frozen=True)
class Units:
    """The unit of one column's values.

    Args:
        unit: Hounsfield units; steps of a scale with a fixed end, as in pictures; or nothing that images share.
        evidence: what this was seen from, for people.
        full_scale: the end of the scale of pictures.
        problems: the images that speak against it.
    """

    unit: Unit
    evidence: str
    full_scale: float = 0.0
    problems: tuple[Problem, ...] = ()


def find_units(scans: Sequence[FileScan], where: Where) -> Units:
    """Return the unit in which the images of a column are.

    Args:
        scans: of all its images.
        where: returns the place of one of them.
    """
    return _hounsfield(scans, where) or _full_scale(scans) or Units("arbitrary", "units differ between images")


def units_of(columns: Sequence[Sequence[Cell]], scans: Scans) -> tuple[Units, ...]:
    """Return the units of each column of filled cells."""
    return tuple(find_units([scans[cell.path] for cell in cells], _where_of(cells)) for cells in columns)


def check_depths(manifests: Sequence[Manifest], scans: Scans) -> None:
    """Check that the pictures of a column use one number of bits, so that one value means one brightness.

    Bits are those in use: a 16-bit file may hold 8 or 12. Only pictures that fill their scale speak for it, and
    within one number type only two groups with nothing between them count as two depths.

    Raises:
        DataError: every picture with another number of bits than most.
    """
    columns = [*cells_of(manifests, "Channel"), *cells_of(manifests, "Source")]
    found = (_other_depths([scans[cell.path] for cell in cells], _where_of(cells)) for cells in columns)
    raise_shown([problem for problems in found for problem in problems])


def raise_shown(problems: Sequence[Problem]) -> None:
    """Raise the first of ``problems``, with how many there are more.

    Raises:
        DataError: there are any.
    """
    raise_if_any(capped(problems), DataError)


def _where_of(cells: Sequence[Cell]) -> Where:
    return lambda place: cells[place].where


def _other_depths(scans: Sequence[FileScan], where: Where) -> list[Problem]:
    if not _are_pictures(scans):
        return []
    depths = [_depth(scan) for scan in scans]
    filled = [depth for depth, scan in zip(depths, scans, strict=True) if scan.largest >= _FILLED * _DEPTHS[depth]]
    used = sorted(set(filled))
    if len(used) < 2 or not any(_are_apart(scans, depths, lower) for lower in used[:-1]):
        return []
    usual = max(used, key=filled.count)
    problems = []
    for place, (scan, depth) in enumerate(zip(scans, depths, strict=True)):
        if depth in used and depth != usual:
            what = f"has values up to {scan.largest:g} ({depth} bits), where most pictures have {usual} bits"
            fix = "convert all to one number of bits (such as 8), or train on one kind"
            problems.append(Problem(where(place), what, f"up to {_DEPTHS[usual]} in every picture", fix))
    return problems


def _hounsfield(scans: Sequence[FileScan], where: Where) -> Units | None:
    """Return Hounsfield units where images show them; those that cannot have them become problems."""
    stated = [scan.modality == "CT" and not _contradicts(scan) for scan in scans]
    shown = [scan.modality in {"", "CT"} and _shows_hounsfield(scan) for scan in scans]
    certain = [by_header or by_value for by_header, by_value in zip(stated, shown, strict=True)]
    if not any(certain):
        return None
    fits = [sure or _could_be_hounsfield(scan) for sure, scan in zip(certain, scans, strict=True)]
    parts = [
        (sum(shown), f"{sum(shown)} of {len(scans)} images have air near -1000 and soft tissue near 40 HU"),
        (sum(stated), f"{sum(stated)} of {len(scans)} headers say CT"),
    ]
    are_usual = sum(fits) * 2 >= len(fits)
    problems = tuple(
        _misfit(where(place), scans[place], fits, is_ct=fit) for place, fit in enumerate(fits) if fit != are_usual
    )
    return Units("hounsfield", " and ".join(part for votes, part in parts if votes), problems=problems)


def _shows_hounsfield(scan: FileScan) -> bool:
    """Say whether the values have the peaks of CT: air near -1000 HU, and fat and soft tissue around 0 HU."""
    shares = scan.hounsfield_shares
    if not shares or _outside(scan) > _MOST_OUTSIDE:
        return False
    air = shares[_AIR_BELOW] + (shares[0] if scan.smallest in _PADDING else 0.0)
    is_peak = shares[_SOFT] / _WIDTHS[_SOFT] >= 2 * shares[_LUNG] / _WIDTHS[_LUNG]
    return air >= _LEAST_AIR and shares[_SOFT] >= max(_LEAST_SOFT, shares[_DENSE] / 2) and is_peak


def _could_be_hounsfield(scan: FileScan) -> bool:
    """Say whether an image among CT may be a part of the body without air: mostly soft tissue, some of it below 0."""
    shares = scan.hounsfield_shares
    if scan.modality not in {"", "CT"} or not shares or _outside(scan) > _MOST_OUTSIDE:
        return False
    return scan.smallest < 0 and shares[_SOFT] >= _LEAST_SOFT_WITHOUT_AIR


def _contradicts(scan: FileScan) -> bool:
    """Say whether the values cannot be Hounsfield units, as where the intercept of the header was lost.

    Low values do not contradict a header: lossy compression spreads the padding.
    """
    shares = scan.hounsfield_shares
    return not shares or shares[-1] > _MOST_OUTSIDE or (scan.smallest >= 0 and scan.largest > _MOST_WITHOUT_NEGATIVE)


def _outside(scan: FileScan) -> float:
    """Return the share of voxels beyond the Hounsfield scale; a constant below it is padding and does not count."""
    if not scan.hounsfield_shares:
        return 1.0
    below, above = scan.hounsfield_shares[0], scan.hounsfield_shares[-1]
    return max(0.0, below - scan.smallest_share) + above if below else above


def _misfit(where: str, scan: FileScan, fits: Sequence[bool], *, is_ct: bool) -> Problem:
    values = f"values from {scan.smallest:g} to {scan.largest:g}"
    header = f" (its header says {scan.modality})" if scan.modality else ""
    others = f"{sum(fit != is_ct for fit in fits)} of {len(fits)} images"
    if is_ct:
        what = f"looks like CT in Hounsfield units, with {values}{header}, and {others} do not"
    else:
        what = f"cannot be CT in Hounsfield units, with {values}{header}, and {others} are"
    fix = (
        "leave these rows out, or correct their values (is a rescale intercept lost?); if they belong together, "
        "write a rescale step into data_preprocessing"
    )
    return Problem(where, what, "images in one unit", fix)


def _full_scale(scans: Sequence[FileScan]) -> Units | None:
    """Return the scale of pictures: of 8 bits always, of more where the images share one."""
    if not _are_pictures(scans):
        return None
    largest = max(scan.largest for scan in scans)
    end = next((end for end in _FULL_SCALES if largest <= end), None)
    types = {scan.dtype for scan in scans}
    if end is None or (end == _DEPTHS[8] and largest <= 1 and types != {"uint8"}):
        return None
    if end == _DEPTHS[8]:
        held = "" if types == {"uint8"} else f" in files of type {', '.join(sorted(types))}"
        return Units("full_scale", f"8-bit pictures{held}", end)
    spans = [max(np.subtract(scan.high, scan.low)) for scan in scans]
    tenth, ninetieth = np.percentile(spans, [10, 90])
    if ninetieth > _WILD * max(tenth, 1e-12):
        return None
    bits = end.bit_length()
    return Units("full_scale", f"{bits}-bit pictures of similar ranges (values up to {largest:g})", end)


def _are_pictures(scans: Sequence[FileScan]) -> bool:
    return all(not scan.physical and scan.smallest >= 0 and scan.whole_numbers for scan in scans)


def _depth(scan: FileScan) -> int:
    if scan.dtype == "uint8":
        return 8
    return next((bits for bits, end in _DEPTHS.items() if scan.largest <= end), 16)


def _are_apart(scans: Sequence[FileScan], depths: Sequence[int], lower: int) -> bool:
    """Say whether the pictures of depth ``lower`` and those above are two kinds, by their type or by a gap."""
    end = _DEPTHS[lower]
    below = [scan for scan, depth in zip(scans, depths, strict=True) if depth == lower]
    above = [scan for scan, depth in zip(scans, depths, strict=True) if depth > lower]
    if {scan.dtype for scan in below} == {"uint8"} and above:
        return bool(np.median([scan.largest for scan in above]) > _WILD * end)
    fewest = max(2, _FEWEST_SHARE * len(scans))
    gap = all(scan.largest > _WILD * end for scan in above) and all(scan.largest >= _FILLED * end for scan in below)
    return gap and min(len(below), len(above)) >= fewest
