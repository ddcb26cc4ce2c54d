"""Copies of training images, found by correlation under flips and small shifts, whatever the brightness and contrast.

A generative model that remembers gives training images back, perhaps mirrored, brighter or shifted by a pixel. Images
are compared by normalised cross-correlation (NCC), which changes of brightness and contrast leave as it is. How alike
is too alike is not decided by a constant: held-out real images are compared with the training images in the same
way, and what is closer than they ever are cannot be explained by patients looking alike (Carlini et al. 2023, after
calibration by held-out data; Meehan et al. 2020).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from gandlf_synth.metrics.intervals import Groups, Indices

Images = NDArray[np.floating]
"""``(n, stacks, slices, channels, rows, columns)`` in [0, 1]; a picture has one stack of one slice."""
Floats = NDArray[np.float32]

FLIPS: tuple[tuple[bool, bool], ...] = ((False, False), (True, False), (False, True), (True, True))
"""Whether mirrored left-right and up-down."""
IDENTICAL = 0.9999
"""Images that correlate more than this are the same image up to rounding."""
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

    index: Indices
    correlation: NDArray[np.float64]
    flip: Indices


def match(
    queries: Images,
    references: Images,
    *,
    query_groups: Groups | None = None,
    reference_groups: Groups | None = None,
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

    >>> images = np.random.default_rng(0).random((5, 1, 1, 1, 16, 16))
    >>> match(images[3:4, ..., ::-1], images).index
    array([3])
    """
    small = _thumbnails(references)
    num_candidates = min(candidates, len(references))
    refined = []
    for start in range(0, len(queries), _CHUNK):
        chunk = np.asarray(queries[start : start + _CHUNK], dtype=np.float32)
        scores = np.stack([_thumbnails(mirror(chunk, flip)) @ small.T for flip in FLIPS], axis=1)
        if query_groups is not None and reference_groups is not None:
            same_group = np.asarray(query_groups[start : start + _CHUNK])[:, None] == np.asarray(reference_groups)
            scores[np.broadcast_to(same_group[:, None], scores.shape)] = -np.inf
        flat = scores.reshape(len(chunk), -1)
        best = np.argpartition(-flat, num_candidates - 1, axis=1)[:, :num_candidates]
        possible = np.isfinite(np.take_along_axis(flat, best, axis=1))
        refined += [
            _refine(image, references, picks[allowed])
            for image, picks, allowed in zip(chunk, best, possible, strict=True)
        ]
    index, correlation, flip = zip(*refined, strict=True)
    return Matches(np.array(index), np.array(correlation), np.array(flip))


def mirror(images: Images, flip: tuple[bool, bool]) -> Images:
    """Return ``images`` mirrored left-right and up-down, as ``flip`` says.

    The stacks of a volume are its axial, coronal and sagittal slices, so that a volume's mirror image has the
    sagittal slices (left-right) or the axial ones (up-down) in reverse order instead of mirrored.

    >>> mirror(np.arange(4.0).reshape(1, 1, 1, 1, 2, 2), (True, False))[0, 0, 0, 0]
    array([[1., 0.],
           [3., 2.]])
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

    >>> images = np.random.default_rng(0).random((2, 1, 1, 1, 16, 16))
    >>> ssim_of(images, images, match(images, images)).round(3)
    array([1., 1.])
    """
    from torchmetrics.functional.image import structural_similarity_index_measure as measure

    similarities = []
    for place, (index, flip) in enumerate(zip(matches.index, matches.flip, strict=True)):
        query = mirror(np.asarray(queries[place : place + 1], dtype=np.float32), FLIPS[flip])[0]
        reference = np.asarray(references[index], dtype=np.float32)
        spread = reference.std() or 1.0
        aligned = (reference - reference.mean()) / spread * query.std() + query.mean()
        pair = [torch.from_numpy(np.ascontiguousarray(side)).flatten(0, 1) for side in (query, aligned)]
        similarities.append(float(measure(pair[0], pair[1], data_range=1.0)))
    return np.array(similarities)


def threshold(held_out: NDArray[np.float64], false_alarm: float) -> float:
    """Return the NCC that a share ``false_alarm`` of held-out real images exceed; at most ``IDENTICAL``.

    Held-out images that are training images themselves cannot excuse copies.

    >>> threshold(np.array([0.2, 0.4, 0.6, 1.0]), 0.25)
    0.9999
    """
    return min(float(np.quantile(held_out, 1 - false_alarm, method="higher")), IDENTICAL)


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


def _refine(image: Floats, references: Images, picks: Indices) -> tuple[int, float, int]:
    """Return (reference, correlation, flip) of the best of ``picks``, each ``flip · len(references) + reference``."""
    best = (0, -1.0, 0)
    for pick in picks:
        flip, index = divmod(int(pick), len(references))
        query = mirror(image[None], FLIPS[flip])[0]
        correlation = shifted_correlation(query, np.asarray(references[index], dtype=np.float32))
        if correlation > best[1]:
            best = (index, correlation, flip)
    return best


def shifted_correlation(a: Floats, b: Floats) -> float:
    """Return the best NCC of two images over shifts of up to one pixel, without the border.

    Args:
        a: ``(..., rows, columns)``.
        b: of the same shape.

    >>> image = np.random.default_rng(0).random((16, 16)).astype(np.float32)
    >>> round(shifted_correlation(image, 2 * np.roll(image, 1, axis=0) + 3), 4)
    1.0
    """
    rows, columns = a.shape[-2:]
    center = _standard(a[..., 1:-1, 1:-1])
    best = max(
        float(center @ _standard(b[..., down : rows - 2 + down, right : columns - 2 + right]))
        for down, right in _SHIFTS
    )
    return min(best, 1.0)


def _standard(part: Floats) -> Floats:
    flat = part.ravel() - part.mean()
    norm = np.linalg.norm(flat)
    result: Floats = flat / (norm if norm > 1e-6 else np.inf)
    return result
