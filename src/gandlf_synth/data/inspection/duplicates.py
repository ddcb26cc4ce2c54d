"""The same image twice, or nearly: within a split it counts double, across splits it flatters every score.

Equal images are found by a hash. Nearly equal ones are neighbours in a tree of the main components of small versions of
all images: a projection brings points nearer but never farther apart, so that the tree misses none.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.readers import UnreadableError, read_image
from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.inspection.checks import Finding
from gandlf_synth.data.inspection.neighbors import NearIndex
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.launcher import usable_cores
from gandlf_synth.progress import Progress, no_progress

_SIDE = {2: 32, 3: 16}
_NEARLY_ONE = 0.985
"""Seen by eye on brain MRI: pairs above it are one image in another contrast or neighbouring slices of one subject."""
_PART = 1024
"""Images in flight at a time."""
Row = tuple[Manifest, Sample]


@dataclass(frozen=True, slots=True)
class _Signature:
    digest: bytes
    dims: int
    thumbnail: NDArray[np.float16]
    """Small; zero mean, unit length, so that a dot product is the correlation."""


def duplicates(manifests: Sequence[Manifest], scans: Scans, progress: Progress = no_progress) -> list[Finding]:
    """Return rows that equal an earlier one or, made small, correlate above 0.985 with it, mirrored or not.

    Pairs across splits come first. Each row is named once within its split and once across, with a row that it repeats.

    Args:
        manifests: the splits.
        scans: of every file; unusable ones are left out.
        progress: shows how far it is.
    """
    rows = [
        (manifest, sample)
        for manifest in manifests
        for sample in manifest.samples
        if scans[_shown(sample)].problem is None
    ]
    with ThreadPoolExecutor(usable_cores()) as pool:
        parts = (rows[start : start + _PART] for start in range(0, len(rows), _PART))
        results = chain.from_iterable(pool.map(lambda row: _signature(_shown(row[1])), part) for part in parts)
        signatures = list(progress(results, len(rows), "Comparing images"))
    splits = {id(manifest): number for number, manifest in enumerate(manifests)}
    across: dict[int, Finding] = {}
    within: dict[int, Finding] = {}
    for dims in _SIDE:
        images = {place: image for place, image in enumerate(signatures) if image is not None and image.dims == dims}
        for first, second, kind, mirrored in _repeated(images, [splits[id(rows[place][0])] for place in images]):
            equal = images[first].digest == images[second].digest
            found = within if kind == "within" else across
            found.setdefault(second, _finding(rows[first], rows[second], equal=equal, mirrored=mirrored))
    return [*(across[place] for place in sorted(across)), *(within[place] for place in sorted(within))]


def _shown(sample: Sample) -> Path:
    """Return the image by which a row is compared."""
    return next(iter(sample.images.values()))


def _signature(path: Path) -> _Signature | None:
    try:
        array = read_image(path).canonical().array
    except UnreadableError:
        return None
    grey = array.mean(axis=0)
    side = _SIDE[grey.ndim]
    small = _averaged(grey, side)
    centred = (small - small.mean()).ravel()
    length = float(np.linalg.norm(centred))
    if length == 0:
        return None
    return _Signature(
        hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16).digest(),
        grey.ndim,
        (centred / length).reshape(small.shape).astype(np.float16),
    )


def _averaged(grey: NDArray[np.floating[Any]], side: int) -> NDArray[np.float32]:
    """Return block means, ``side`` along each axis: noise and compression average out."""
    import torch
    from torch.nn.functional import adaptive_avg_pool2d, adaptive_avg_pool3d

    pool = adaptive_avg_pool2d if grey.ndim == 2 else adaptive_avg_pool3d
    values = torch.from_numpy(np.ascontiguousarray(grey, np.float32))[None]
    means: NDArray[np.float32] = pool(values, side)[0].numpy()
    return means


def _repeated(images: Mapping[int, _Signature], splits: Sequence[int]) -> Iterator[tuple[int, int, str, bool]]:
    """Yield pairs of images that are alike, equal ones first.

    Yields:
        The earlier and the later image, whether they are ``within`` a split or ``across``, and whether one is mirrored.
    """
    places, unique = list(images), list[int]()
    copies: dict[tuple[bytes, int], list[int]] = {}
    for number, place in enumerate(places):
        digest, split = images[place].digest, splits[number]
        for other in set(splits):
            if (digest, other) in copies:
                yield copies[digest, other][0], place, "within" if other == split else "across", False
        if (digest, split) not in copies:
            unique.append(number)
        copies.setdefault((digest, split), []).append(place)
    if not unique:
        return
    thumbnails = np.stack([images[places[number]].thumbnail for number in unique])
    index = NearIndex(thumbnails, [splits[number] for number in unique], _NEARLY_ONE)
    for axis in range(thumbnails.ndim):
        for first, second, is_within in index.earlier_matches(np.flip(thumbnails, axis) if axis else thumbnails):
            earlier, later = places[unique[first]], places[unique[second]]
            if is_within:
                yield earlier, later, "within", axis > 0
            else:
                alike = copies[images[later].digest, splits[unique[second]]]
                yield from ((earlier, copy, "across", axis > 0) for copy in alike)


def _finding(first: Row, second: Row, *, equal: bool, mirrored: bool) -> Finding:
    (one, sample), (other, again) = first, second
    kind = "duplicate" if equal else "near duplicate"
    likeness = "the same" if equal else "nearly the same, mirrored," if mirrored else "nearly the same"
    what = f"shows {likeness} as {one.where(sample, 0)}"
    if one is not other:
        return Finding(
            "warning", f"{kind} across splits", other.where(again, 0),
            f"{what}: scores on it will flatter the model; leave one out", str(other.path), again.row,
        )  # fmt: skip
    what = f"{what}; leave one out unless that is meant"
    return Finding("warning", kind, other.where(again, 0), what, str(other.path), again.row)
