"""Copies of training images, found although they were shifted, turned, enlarged, inverted, mixed, blurred or noisy.

A generative model that remembers gives training images back, seldom byte for byte. Each image is searched for among
the training images in two steps: a few candidates by cheap descriptions, then their registration by shift, rotation,
zoom and flip. Four numbers say how alike the two are; each is near 1 for a copy:

- ``likeness``: the correlation of the detail after registration;
- ``margin`` and ``broad_margin``: how much nearer the best candidate is than the usual ones, in finer and in broader
  detail, which noise and blur leave as they are (Carlini et al. 2023 divide by the mean distance of neighbors, too);
- ``mixture``: how much of the image two training images explain together that one alone does not.

How alike is too alike is decided by held-out real images, see ``copy_limit``.
"""

from dataclasses import dataclass, fields, replace
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gandlf_synth.metrics.candidates import describe, find_candidates, thumb_scale
from gandlf_synth.metrics.detail import COARSE, FLIPS, Pixels, Scale, chunks, detail_images, flipped
from gandlf_synth.metrics.intervals import Groups, Indices
from gandlf_synth.metrics.mixtures import find_mixtures
from gandlf_synth.metrics.registration import correlation_at, register_finely, register_roughly
from gandlf_synth.metrics.turns import likely_turns, turn_name, turned_pixels

Numbers = NDArray[np.float64]

IDENTICAL = 0.999
"""Images that correlate so much are the same image."""
_FINE = {2: Scale(64, 0.016, 0.083), 3: Scale(28, 0.03, 0.12)}
_REGISTERED = 3
"""Candidates of each image that are registered finely."""
_MIXED, _ALONE = 0.6, 0.97
"""An image is named a mixture if two explain so much more than one, and one does not explain it so well."""
_SURELY_MIXED, _SURELY_ALONE = 0.9, 0.99
"""The same where two explain nearly all: images that share much of their detail are each like a mixture of others."""
_CHUNK = {"cpu": 256, "cuda": 2048}
"""Images that are searched for at once."""


@dataclass(frozen=True)
class Matches:
    """The training image most like each image, and how alike they are; every array has one row per image.

    Args:
        index: which training image.
        second: the other one, if the image is a mixture of two; else the same as ``index``.
        correlation: of the pixels, under ``flip`` and shifts of up to one pixel, without its sign.
        flip: as an index into ``FLIPS``.
        pose: rotation, zoom and shift that lay the image, once flipped, on the training image, as ``warp`` takes them.
        inverted: whether bright is dark.
        likeness, margin, broad_margin, mixture: see the module.
        turn: what was done to the image's axes before the flip, as an index into ``TURNS``.
    """

    index: Indices
    second: Indices
    correlation: Numbers
    flip: Indices
    pose: Numbers
    inverted: NDArray[np.bool_]
    likeness: Numbers
    margin: Numbers
    broad_margin: Numbers
    mixture: Numbers
    turn: Indices

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.index)

    @property
    def looks(self) -> Numbers:
        """The four numbers on a scale on which each has an exponential tail, ``(n, 4)``: 0, and 4.6 at 0.99."""
        shares = np.stack([self.likeness, self.margin, self.broad_margin, self.mixture], axis=1)
        return -np.log(np.clip(1 - shares, 1e-4, 1))

    @property
    def nearness(self) -> Numbers:
        """One number for each image, the mean of the looks but for mixtures, ``(n,)``."""
        return np.asarray(self.looks[:, :3].mean(axis=1))

    def take(self, places: Indices | NDArray[np.bool_]) -> "Matches":
        """Return the rows of ``places``."""
        return Matches(*(getattr(self, part.name)[places] for part in fields(self)))

    def with_nearer(self, places: Indices, others: "Matches") -> "Matches":
        """Return the matches with ``others`` at ``places``, wherever these leave half as much unexplained or less."""
        unlike = 1 - np.maximum(self.likeness, self.mixture)[places]
        nearer = 1 - others.likeness < unlike / 2
        result = self.take(np.arange(len(self)))
        for part in fields(self):
            getattr(result, part.name)[places[nearer]] = getattr(others, part.name)[nearer]
        return result

    def kind(self, place: int) -> str:
        """Return in words what was done to the training image, such as ``mirrored left-right, shifted by 4 %``."""
        pose = self.pose[place]
        dims = len(pose)
        zoom = abs(np.linalg.det(pose[:, :dims])) ** (1 / dims)
        turned = pose[:, :dims] / zoom
        angle = np.degrees(np.arccos(np.clip((np.trace(turned) - (dims - 2)) / 2, -1, 1)))
        shift = np.abs(pose[:, dims]).max() / 2
        if self.second[place] != self.index[place]:
            return "a mixture of two training images"
        flip, turn = int(self.flip[place]), int(self.turn[place])
        words = [turn_name(dims, turn, flip) if flip or turn else ""]
        words.append("inverted" if self.inverted[place] else "")
        if self.correlation[place] < IDENTICAL:
            words.append(f"turned by {angle:.0f}°" if angle >= 2 else "")
            size = "enlarged" if zoom > 1 else "made smaller"
            words.append(f"{size} by {abs(zoom - 1):.0%}" if abs(zoom - 1) > 0.03 else "")
            words.append(f"shifted by {shift:.0%} of the side" if shift > 0.015 else "")
        return ", ".join(word for word in words if word) or turn_name(dims, 0, 0)


class CopySearch:
    """A search among training images.

    Args:
        references: ``(n, channels, *shape)`` in [0, 1]; volumes as ``(z, y, x)``.

    >>> images = np.random.default_rng(0).random((5, 1, 32, 32))
    >>> matches = CopySearch(images).find(1 - images[3:4, ..., ::-1])
    >>> matches.index.tolist(), matches.kind(0)
    ([3], 'mirrored left-right, inverted')
    """

    def __init__(self, references: Pixels) -> None:
        self._references = references
        self._known = _Scales.of(references)
        self._descriptions = describe(self._known.thumbs, self._known.coarse)

    def find(
        self, queries: Pixels, query_groups: Groups | None = None, reference_groups: Groups | None = None
    ) -> Matches:
        """Return the training image most like each of ``queries``.

        Args:
            queries: of the references' number of channels and dimensions.
            query_groups: of each query, such as its subject; pairs of one group are left out.
            reference_groups: of each reference; needed with ``query_groups``.
        """
        parts = []
        for rows in chunks(len(queries), _CHUNK[self._known.thumbs.device.type]):
            barred = None
            if query_groups is not None and reference_groups is not None:
                same = np.asarray(query_groups[rows])[:, None] == np.asarray(reference_groups)
                barred = torch.from_numpy(same).to(self._known.thumbs.device)
            parts.append(self._find_turned(queries[rows], barred))
        return Matches(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Matches)))

    def _find_turned(self, queries: Pixels, barred: Tensor | None) -> Matches:
        images = _Scales.of(queries)
        matches = self._find(queries, images, barred)
        likely = likely_turns(images.thumbs, self._descriptions.thumbs, barred)
        for turn in np.unique(likely[likely > 0]).tolist():
            places = np.flatnonzero(likely == turn)
            again = turned_pixels(queries[places], turn)
            found = self._find(again, _Scales.of(again), None if barred is None else barred[places])
            matches = matches.with_nearer(places, replace(found, turn=np.full(len(places), turn)))
        return matches

    @torch.no_grad()
    def _find(self, queries: Pixels, images: "_Scales", barred: Tensor | None) -> Matches:
        known = self._known
        index, flips = find_candidates(images.thumbs, images.coarse, self._descriptions, barred)
        rough = register_roughly(images.coarse, known.coarse, index, flips)
        count = index.shape[1]
        broad = correlation_at(
            _flipped_each(images.thumbs.repeat_interleave(count, 0), flips.flatten()),
            known.thumbs[index.flatten()],
            rough.pose.flatten(0, 1),
        ).reshape(index.shape)
        best = rough.correlation.topk(min(_REGISTERED, count), dim=1).indices
        rows = torch.arange(len(images.fine), device=best.device)[:, None]
        chosen = index[rows, best].flatten()
        fine = register_finely(
            _flipped_each(images.fine.float().repeat_interleave(best.shape[1], 0), flips[rows, best].flatten()),
            known.fine[chosen].float(),
            rough.pose[rows, best].flatten(0, 1),
        )
        likeness = fine.correlation.reshape(best.shape)
        top = likeness.abs().argmax(dim=1, keepdim=True)
        place = (rows[:, 0], best.gather(1, top)[:, 0])
        pairs = find_mixtures(images.thumbs, known.thumbs, images.fine, known.fine, barred)
        signed = likeness.gather(1, top)[:, 0]
        mixed = (pairs.gain > _MIXED) & (signed.abs() < _ALONE)
        mixed |= (pairs.gain > _SURELY_MIXED) & (signed.abs() < _SURELY_ALONE)
        first = torch.where(mixed, pairs.pair[:, 0], index[place]).cpu().numpy()
        second = torch.where(mixed, pairs.pair[:, 1], index[place]).cpu().numpy()
        flip = torch.where(mixed, torch.zeros_like(top[:, 0]), flips[place]).cpu().numpy()
        pose = fine.pose.reshape(*best.shape, *fine.pose.shape[1:])[place[0], top[:, 0]]
        return Matches(
            index=first,
            second=second,
            correlation=_pixel_correlations(queries, self._references, first, flip),
            flip=flip,
            pose=pose.double().cpu().numpy(),
            inverted=(signed < 0).cpu().numpy(),
            likeness=signed.abs().double().cpu().numpy(),
            margin=_margins(rough.correlation, index),
            broad_margin=_margins(broad, index),
            mixture=pairs.gain.double().cpu().numpy(),
            turn=np.zeros(len(first), dtype=np.int64),
        )


@dataclass(frozen=True)
class _Scales:
    thumbs: Tensor
    coarse: Tensor
    fine: Tensor

    @classmethod
    def of(cls, images: Pixels) -> "_Scales":
        dims = images.ndim - 2
        device = "cuda" if torch.cuda.is_available() else "cpu"
        thumbs, coarse, fine = (
            detail_images(images, scale).to(device) for scale in (thumb_scale(dims), COARSE[dims], _FINE[dims])
        )
        return cls(thumbs, coarse, fine.half())


def _flipped_each(images: Tensor, flips: Tensor) -> Tensor:
    result = images.clone()
    for flip in range(1, len(FLIPS)):
        chosen = flips == flip
        result[chosen] = flipped(images[chosen], flip)
    return result


def _margins(correlations: Tensor, index: Tensor) -> Numbers:
    """Return how much smaller the best distance is than the mean of all but the two best different candidates."""
    margins = []
    for row, names in zip(correlations.double().cpu().numpy(), index.cpu().numpy(), strict=True):
        best: dict[int, float] = {}
        for name, value in zip(names, row, strict=True):
            best[name] = max(best.get(name, 0.0), value)
        ordered = sorted(best.values(), reverse=True)
        usual = float(np.mean(ordered[2:] if len(ordered) > 2 else ordered))
        margins.append(1 - (1 - ordered[0]) / max(1 - usual, 1e-4))
    return np.clip(margins, 0, 1)


def _pixel_correlations(queries: Pixels, references: Pixels, index: Indices, flips: Indices) -> Numbers:
    return np.array(
        [
            shifted_correlation(
                flipped(torch.from_numpy(np.array(query, dtype=np.float32)), int(flip)).numpy(),
                np.asarray(references[place], dtype=np.float32),
            )
            for query, place, flip in zip(queries, index, flips, strict=True)
        ]
    )


def shifted_correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the largest correlation of two images, without its sign, over shifts of up to one pixel.

    Args:
        a: ``(channels, *shape)``.
        b: of the same shape.

    >>> image = np.random.default_rng(0).random((1, 16, 16)).astype(np.float32)
    >>> round(shifted_correlation(image, 3 - 2 * np.roll(image, 1, axis=1)), 4)
    1.0
    """
    shape = a.shape[1:]
    center, best = _standard(a[(slice(None), *(slice(1, -1) for _ in shape))]), 0.0
    for step in product((1, 0, 2), repeat=len(shape)):
        window = [slice(first, length - 2 + first) for first, length in zip(step, shape, strict=True)]
        best = max(best, abs(float(center @ _standard(b[(slice(None), *window)]))))
    return min(best, 1.0)


def _standard(part: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = part.ravel() - part.mean()
    norm = np.linalg.norm(flat)
    result: NDArray[np.float32] = flat / (norm if norm > 1e-6 * len(flat) ** 0.5 else np.inf)
    return result
