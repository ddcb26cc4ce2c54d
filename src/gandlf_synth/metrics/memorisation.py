"""Copies of training images, found by correlation under flips and small shifts, whatever the brightness and contrast.

A generative model that remembers gives training images back, perhaps mirrored, brighter or shifted by a pixel. Images
are compared by normalised cross-correlation (NCC), which changes of brightness and contrast leave as it is. How alike
is too alike is not decided by a constant: held-out real images are compared with the training images in the same
way, and what is closer than they ever are cannot be explained by patients looking alike (Carlini et al. 2023, after
calibration by held-out data; Meehan et al. 2020).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

Images = NDArray[Any]
"""``(n, stacks, slices, channels, rows, columns)`` in [0, 1]; a picture has one stack of one slice."""
Floats = NDArray[np.float32]

FLIPS: tuple[tuple[bool, bool], ...] = ((False, False), (True, False), (False, True), (True, True))
"""Whether mirrored left-right and up-down."""
_SHIFTS = tuple((rows, columns) for rows in (0, 1, 2) for columns in (0, 1, 2))
_SIDE = 32
_SIDE_OF_STACKS = 16
_CHUNK = 256


@dataclass(frozen=True)
class Matches:
    """The nearest reference image of each query.

    Args:
        index: which reference, ``(n,)``.
        correlation: the NCC in [-1, 1], the best over flips and shifts, ``(n,)``.
        flip: the flip that gave it, as an index into ``FLIPS``, ``(n,)``.
    """

    index: NDArray[np.int64]
    correlation: NDArray[np.float64]
    flip: NDArray[np.int64]


def match(
    queries: Images,
    references: Images,
    *,
    query_groups: Sequence[str] | None = None,
    reference_groups: Sequence[str] | None = None,
    candidates: int = 4,
) -> Matches:
    """Return the reference most like each query.

    All pairs are compared in small (32 pixels a side), under four flips; the best ``candidates`` again in full, with
    shifts of up to one pixel.

    Args:
        queries: the images to search for.
        references: the images to search among, of the same shape but for ``n``.
        query_groups: of each query, such as its subject; pairs of one group are left out.
        reference_groups: of each reference; needed with ``query_groups``.
        candidates: how many references are looked at in full for each query.
    """
    small = _thumbnails(references)
    taken = min(candidates, len(references))
    outcome = []
    for start in range(0, len(queries), _CHUNK):
        chunk = np.asarray(queries[start : start + _CHUNK], dtype=np.float32)
        scores = np.stack([_thumbnails(mirrored(chunk, flip)) @ small.T for flip in FLIPS], axis=1)
        if query_groups is not None and reference_groups is not None:
            own = np.asarray(query_groups[start : start + _CHUNK])[:, None] == np.asarray(reference_groups)
            scores[np.broadcast_to(own[:, None], scores.shape)] = -np.inf
        flat = scores.reshape(len(chunk), -1)
        best = np.argpartition(-flat, taken - 1, axis=1)[:, :taken]
        possible = np.isfinite(np.take_along_axis(flat, best, axis=1))
        outcome += [
            _refine(image, references, picks[allowed])
            for image, picks, allowed in zip(chunk, best, possible, strict=True)
        ]
    index, correlation, flip = zip(*outcome, strict=True)
    return Matches(np.array(index), np.array(correlation), np.array(flip))


def mirrored(images: Images, flip: tuple[bool, bool]) -> Images:
    """Return ``images`` mirrored left-right and up-down.

    The stacks of a volume are its axial, coronal and sagittal slices, so that a volume's mirror image has the
    sagittal slices (left-right) or the axial ones (up-down) in reverse order instead of mirrored.
    """
    stacks = images.shape[1]
    result = np.array(images)
    for stack in range(stacks):
        plane = result[:, stack]
        if flip[0]:
            plane = plane[:, ::-1] if stack == 2 else plane[..., ::-1]
        if flip[1]:
            plane = plane[:, ::-1] if stack == 0 and stacks == 3 else plane[..., ::-1, :]
        result[:, stack] = plane
    return result


def ssim_of(queries: Images, references: Images, matches: Matches) -> NDArray[np.float64]:
    """Return the SSIM (Wang et al. 2004) of each query with its match, after flip and alignment of intensity, ``(n,)``.

    The reference is brought to the query's mean and standard deviation first.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure as measure

    found = []
    for place, (index, flip) in enumerate(zip(matches.index, matches.flip, strict=True)):
        query = mirrored(np.asarray(queries[place : place + 1], dtype=np.float32), FLIPS[flip])[0]
        reference = np.asarray(references[index], dtype=np.float32)
        spread = reference.std() or 1.0
        aligned = (reference - reference.mean()) / spread * query.std() + query.mean()
        pair = [torch.from_numpy(np.ascontiguousarray(side)).flatten(0, 1) for side in (query, aligned)]
        found.append(float(measure(pair[0], pair[1], data_range=1.0)))
    return np.array(found)


def threshold(held_out: NDArray[np.float64], false_alarm: float) -> float:
    """Return the NCC that a share ``false_alarm`` of held-out real images exceed."""
    return float(np.quantile(held_out, 1 - false_alarm, method="higher"))


def _thumbnails(images: Images) -> Floats:
    """Return small versions with mean 0 and norm 1 (0 for flat images), ``(n, values)``."""
    side = _SIDE if images.shape[1] == 1 else _SIDE_OF_STACKS
    parts = list(_pooled(images, side))
    small = np.concatenate(parts).reshape(len(images), -1)
    small -= small.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(small, axis=1, keepdims=True)
    result: Floats = (small / np.where(norms > 1e-6, norms, np.inf)).astype(np.float32)
    return result


def _pooled(images: Images, side: int) -> Iterator[Floats]:
    size = (min(side, images.shape[-2]), min(side, images.shape[-1]))
    for start in range(0, len(images), _CHUNK):
        chunk = torch.from_numpy(np.asarray(images[start : start + _CHUNK], dtype=np.float32))
        yield functional.adaptive_avg_pool2d(chunk.flatten(1, 3), size).flatten(1).numpy()


def _refine(image: Floats, references: Images, picks: NDArray[np.int64]) -> tuple[int, float, int]:
    """Return (reference, correlation, flip) of the best of ``picks``, each ``flip · len(references) + reference``."""
    best = (0, -1.0, 0)
    for pick in picks:
        flip, index = divmod(int(pick), len(references))
        query = mirrored(image[None], FLIPS[flip])[0]
        correlation = shifted_correlation(query, np.asarray(references[index], dtype=np.float32))
        if correlation > best[1]:
            best = (index, correlation, flip)
    return best


def shifted_correlation(a: Floats, b: Floats) -> float:
    """Return the best NCC of two images over shifts of up to one pixel, without the border.

    Args:
        a: ``(..., rows, columns)``.
        b: of the same shape.
    """
    rows, columns = a.shape[-2:]
    centre = _standard(a[..., 1:-1, 1:-1])
    return max(
        float(centre @ _standard(b[..., down : rows - 2 + down, right : columns - 2 + right]))
        for down, right in _SHIFTS
    )


def _standard(part: Floats) -> Floats:
    flat = part.ravel() - part.mean()
    norm = np.linalg.norm(flat)
    result: Floats = flat / (norm if norm > 1e-6 else np.inf)
    return result
