"""The same image twice, or nearly: within a split it counts double, across splits it flatters every score."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from gandlf_synth.data.checks.finding import Finding
from gandlf_synth.data.fingerprint import Scans
from gandlf_synth.data.manifest import Manifest, Sample
from gandlf_synth.data.readers import UnreadableError, read_image
from gandlf_synth.data.scan import Progress, no_progress

_SIDE = {2: 32, 3: 16}
_NEARLY_ONE = 0.998
_BLOCK = 2048
_SHOWN = 50


@dataclass(frozen=True)
class _Signature:
    digest: str
    thumbnail: NDArray[np.float32]
    """Zero mean, unit length, so that a dot product is the correlation."""


def duplicates(manifests: Sequence[Manifest], scans: Scans, progress: Progress = no_progress) -> list[Finding]:
    """Return pairs of rows whose first channel is equal, or correlates above 0.998 when made small.

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
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda row: _signature(row[1].channels[0]), rows)
        signatures = list(progress(results, len(rows), "Comparing images"))
    kept = [index for index, signature in enumerate(signatures) if signature is not None]
    found = []
    for one, other in _pairs([signatures[index] for index in kept]):
        first, second = rows[kept[one]], rows[kept[other]]
        equal = signatures[kept[one]].digest == signatures[kept[other]].digest
        found.append(_finding(first, second, equal=equal))
        if len(found) == _SHOWN:
            break
    return found


def _signature(path: Path) -> _Signature | None:
    try:
        array = read_image(path).array
    except UnreadableError:
        return None
    grey = array.mean(axis=0)
    side = _SIDE[grey.ndim]
    small = zoom(grey, [side / length for length in grey.shape], order=1, mode="nearest", grid_mode=True)
    centred = (small - small.mean()).ravel()
    length = float(np.linalg.norm(centred))
    if length == 0:
        return None
    return _Signature(hashlib.sha256(array.tobytes()).hexdigest(), (centred / length).astype(np.float32))


def _pairs(signatures: Sequence[_Signature]) -> Iterator[tuple[int, int]]:
    if not signatures:
        return
    vectors = np.stack([signature.thumbnail for signature in signatures])
    for start in range(0, len(vectors), _BLOCK):
        correlation = vectors[start : start + _BLOCK] @ vectors.T
        for row, column in np.argwhere(correlation > _NEARLY_ONE):
            if start + row < column:
                yield int(start + row), int(column)


def _finding(first: tuple[Manifest, Sample], second: tuple[Manifest, Sample], *, equal: bool) -> Finding:
    (one, sample), (other, again) = first, second
    kind = "duplicate" if equal else "near duplicate"
    what = f"shows {'the same' if equal else 'nearly the same'} as {one.where(sample, 0)}"
    if one is not other:
        return Finding(
            "warning", f"{kind} across splits", other.where(again, 0),
            f"{what}: scores on it will flatter the model; leave one out", str(other.path), again.row,
        )  # fmt: skip
    what = f"{what}; leave one out unless that is meant"
    return Finding("warning", kind, other.where(again, 0), what, str(other.path), again.row)
