"""The same image twice, or nearly: within a split it counts double, across splits it flatters every score."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.readers import UnreadableError, read_image
from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.inspection.checks import Finding
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.launcher import usable_cores
from gandlf_synth.progress import Progress, no_progress

_SIDE = {2: 32, 3: 16}
_NEARLY_ONE = 0.985
"""Seen by eye on brain MRI: pairs above it are one image in another contrast or neighbouring slices of one subject."""
_BLOCK = 2048


@dataclass(frozen=True)
class _Signature:
    digest: str
    dims: int
    thumbnail: NDArray[np.float32]
    """Small; zero mean, unit length, so that a dot product is the correlation."""


def duplicates(manifests: Sequence[Manifest], scans: Scans, progress: Progress = no_progress) -> list[Finding]:
    """Return rows that equal an earlier one or, made small, correlate above 0.985 with it, mirrored or not.

    Pairs across splits come first. Each row is named once, with the first row that it repeats.

    Args:
        manifests: the splits.
        scans: of every file; unusable ones are left out.
        progress: shows how far it is.
    """
    rows = [
        (manifest, sample)
        for manifest in manifests
        for sample in manifest.samples
        if scans[sample.channels[0]].problem is None
    ]
    with ThreadPoolExecutor(usable_cores()) as pool:
        results = pool.map(lambda row: _signature(row[1].channels[0]), rows)
        signatures = list(progress(results, len(rows), "Comparing images"))
    across: dict[int, Finding] = {}
    within: dict[int, Finding] = {}
    for dims in _SIDE:
        places = [place for place, image in enumerate(signatures) if image is not None and image.dims == dims]
        images = [image for image in signatures if image is not None and image.dims == dims]
        for one, other, mirrored in _pairs(images):
            first, second = places[one], places[other]
            equal = images[one].digest == images[other].digest
            kind = within if rows[first][0] is rows[second][0] else across
            kind.setdefault(second, _finding(rows[first], rows[second], equal=equal, mirrored=mirrored))
    return [*across.values(), *within.values()]


def _signature(path: Path) -> _Signature | None:
    try:
        array = read_image(path).array
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
        hashlib.sha256(array.tobytes()).hexdigest(),
        grey.ndim,
        (centred / length).reshape(small.shape).astype(np.float32),
    )


def _averaged(grey: NDArray[np.floating[Any]], side: int) -> NDArray[np.float32]:
    """Return block means, ``side`` along each axis: noise and compression average out."""
    import torch
    from torch.nn.functional import adaptive_avg_pool2d, adaptive_avg_pool3d

    pool = adaptive_avg_pool2d if grey.ndim == 2 else adaptive_avg_pool3d
    values = torch.from_numpy(np.ascontiguousarray(grey, np.float32))[None]
    means: NDArray[np.float32] = pool(values, side)[0].numpy()
    return means


def _pairs(signatures: Sequence[_Signature]) -> Iterator[tuple[int, int, bool]]:
    """Yield the earlier and the later of two like images, and whether one is mirrored; plain pairs first."""
    if not signatures:
        return
    images = np.stack([signature.thumbnail for signature in signatures])
    vectors = images.reshape(len(images), -1)
    for axis in range(images.ndim):
        others = vectors if axis == 0 else np.flip(images, axis).reshape(vectors.shape)
        for start in range(0, len(vectors), _BLOCK):
            correlation = vectors[start : start + _BLOCK] @ others.T
            for row, column in np.argwhere(correlation > _NEARLY_ONE):
                if start + row < column:
                    yield int(start + row), int(column), axis > 0


def _finding(
    first: tuple[Manifest, Sample], second: tuple[Manifest, Sample], *, equal: bool, mirrored: bool
) -> Finding:
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
