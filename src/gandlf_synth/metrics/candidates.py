"""The training images that may have been copied, for each image a few, found whatever was done to hide the copy.

Three cheap descriptions find three kinds of copies: thumbnails under rotations and zooms; thumbnails under shifts; and
the size of the Fourier coefficients, which a shift leaves as it is (Reddy & Chatterji 1996). Each is one product of
matrices, a block at a time, so that memory does not grow with the number of pairs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from gandlf_synth.metrics.detail import FLIPS, Scale, chunks, coarse_poses, flipped, standardized, warp

THUMB_2D, THUMB_3D = Scale(16, 0.04, 0.17), Scale(10, 0.05, 0.2)
EACH = 3
"""Candidates by each description."""
_REACH = 0.36
"""The farthest shift, in torch's coordinates, which span 2."""
_STEPS = {2: 5, 3: 3}
"""Shifts along each axis."""
_COLUMNS = 4096
"""Training images that are compared at once: what is kept of each pair then stays small."""


@dataclass(frozen=True)
class Descriptions:
    """What is known of each image of a set, one row each.

    Args:
        thumbs: the detail of small images.
        spectra: the size of the Fourier coefficients of larger ones.
    """

    thumbs: Tensor
    spectra: Tensor


def thumb_scale(dims: int) -> Scale:
    """Return the scale of thumbnails."""
    return THUMB_2D if dims == 2 else THUMB_3D


def describe(thumbs: Tensor, coarse: Tensor) -> Descriptions:
    """Return the descriptions of a set, given its detail at two scales, both ``(n, *shape)``."""
    return Descriptions(standardized(thumbs), _spectra(coarse))


def find_candidates(
    thumbs: Tensor, coarse: Tensor, known: Descriptions, barred: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return for each image the likeliest training images, and under which flip, both ``(n, candidates)``.

    Args:
        thumbs: the images' detail in small.
        coarse: the same, larger.
        known: of the training images.
        barred: pairs that are left out, ``(n, known)``.
    """
    found = [
        _best(_turned(thumbs), known.thumbs, barred),
        _best(_shifted(thumbs), known.thumbs, barred),
        _best(_turned_spectra(coarse), known.spectra, barred),
    ]
    index, flips = (torch.cat([part[k] for part in found], dim=1) for k in (0, 1))
    # A spectrum does not tell an image from one turned by 180°, which is the flip numbered three less.
    spectral = found[2]
    return torch.cat([index, spectral[0]], dim=1), torch.cat([flips, 3 - spectral[1]], dim=1)


def _best(bank: Iterator[tuple[int, Tensor]], known: Tensor, barred: Tensor | None) -> tuple[Tensor, Tensor]:
    poses, parts = list(bank), []
    for columns in chunks(len(known), _COLUMNS):
        scores, flips = _strongest(poses, known[columns])
        if barred is not None:
            scores[barred[:, columns]] = -1
        top = scores.topk(min(EACH, scores.shape[1]), dim=1)
        parts.append((top.values, top.indices + columns.start, flips.gather(1, top.indices)))
    values, index, flips = (torch.cat([part[k] for part in parts], dim=1) for k in range(3))
    best = values.topk(min(EACH, values.shape[1]), dim=1).indices
    return index.gather(1, best), flips.gather(1, best)


def _strongest(poses: Sequence[tuple[int, Tensor]], known: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest score of each pair of images over all poses, and the flip that gives it."""
    best: dict[int, Tensor] = {}
    for flip, rows in poses:
        scores = (rows @ known.T).abs_()
        best[flip] = torch.maximum(best[flip], scores, out=best[flip]) if flip in best else scores
    scores, place = torch.stack(list(best.values())).max(dim=0)
    return scores, torch.tensor(list(best), device=place.device)[place]


def _turned(images: Tensor) -> Iterator[tuple[int, Tensor]]:
    for flip, pose in product(range(len(FLIPS)), coarse_poses(images.ndim - 1)):
        yield flip, standardized(warp(flipped(images, flip), pose.to(images).expand(len(images), -1, -1)))


def _shifted(images: Tensor) -> Iterator[tuple[int, Tensor]]:
    dims = images.ndim - 1
    identity = torch.eye(dims, dims + 1, device=images.device)
    for shift in product(np.linspace(-_REACH, _REACH, _STEPS[dims]), repeat=dims):
        pose = identity.clone()
        pose[:, dims] = torch.tensor(shift)
        moved = warp(images, pose.expand(len(images), -1, -1))
        for flip in range(len(FLIPS)):
            yield flip, standardized(flipped(moved, flip))


def _turned_spectra(images: Tensor) -> Iterator[tuple[int, Tensor]]:
    for flip, pose in product((0, 1), coarse_poses(images.ndim - 1)):
        yield flip, _spectra(warp(flipped(images, flip), pose.to(images).expand(len(images), -1, -1)))


def _spectra(images: Tensor) -> Tensor:
    dims = images.ndim - 1
    for axis, length in enumerate(images.shape[1:], start=1):
        window = torch.hann_window(length + 2, periodic=False, device=images.device)[1:-1]
        images = images * window.reshape(-1, *(1,) * (dims - axis))
    sizes = torch.fft.rfftn(images, dim=tuple(range(1, dims + 1))).abs()
    for axis in range(1, dims + 1):
        length = images.shape[axis]
        keep = length // 4
        low = torch.arange(keep + 1, device=images.device)
        both = low if axis == dims else torch.cat([low, torch.arange(length - keep, length, device=images.device)])
        sizes = sizes.index_select(axis, both)
    return standardized(sizes.sqrt())
