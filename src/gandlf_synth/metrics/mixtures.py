"""Images that are a mixture of two training images, found by orthogonal matching pursuit (Pati et al. 1993)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gandlf_synth.metrics.detail import standardized

_FIRST = 8
"""Training images that may be the first of the two."""
_PAIRS = 6
"""Pairs that are compared in full."""
_CLOSE = 0.05
"""Two training images whose unlikeness is less cannot be told apart in a mixture."""
_EXPLAINED = 0.02
"""What one training image leaves; where it is less, there is nothing for a second to explain."""


@dataclass(frozen=True)
class Mixtures:
    """The two training images that together explain each image best.

    Args:
        pair: which, ``(n, 2)``.
        gain: the share of what the better one leaves that the two together explain, ``(n,)``.
    """

    pair: Tensor
    gain: Tensor


def find_mixtures(
    thumbs: Tensor, known_thumbs: Tensor, fine: Tensor, known_fine: Tensor, barred: Tensor | None
) -> Mixtures:
    """Return the best pair for each image; none that is mirrored or shifted is found.

    Args:
        thumbs: the images' detail in small, ``(n, *shape)``.
        known_thumbs: of the training images.
        fine: the images' detail, larger.
        known_fine: of the training images.
        barred: pairs of image and training image that are left out.
    """
    rows, known = standardized(thumbs), standardized(known_thumbs)
    if len(known) < 2:
        return Mixtures(torch.zeros(len(rows), 2, dtype=torch.long), torch.zeros(len(rows)))
    alone = rows @ known.T
    if barred is not None:
        alone[barred] = 0
    firsts = alone.abs().topk(min(_FIRST, len(known)), dim=1).indices
    explained, pairs = [], []
    for first in firsts.T:
        weight = alone.gather(1, first[:, None])
        likeness = known[first] @ known.T
        rest = (1 - likeness**2).clamp_min(_CLOSE)
        added = (alone - weight * likeness) / rest
        gain = torch.where(added * (weight - likeness * added) > 0, added**2 * rest, torch.zeros_like(added))
        gain[1 - likeness**2 < _CLOSE] = 0
        if barred is not None:
            gain[barred] = 0
        value, second = gain.topk(1, dim=1)
        explained.append(weight**2 + value)
        pairs.append(torch.cat([first[:, None], second], dim=1))
    best = torch.cat(explained, dim=1).topk(min(_PAIRS, len(explained)), dim=1).indices
    possible = torch.stack(pairs, dim=1).gather(1, best[..., None].expand(-1, -1, 2))
    gains = torch.stack([_gain(fine, known_fine, possible[:, k]) for k in range(possible.shape[1])], dim=1)
    gain, place = gains.max(dim=1)
    return Mixtures(possible[torch.arange(len(rows), device=place.device), place], gain)


def _gain(fine: Tensor, known: Tensor, pair: Tensor) -> Tensor:
    image, first, second = (standardized(part.float()) for part in (fine, known[pair[:, 0]], known[pair[:, 1]]))
    a, b, c = (image * first).sum(1), (image * second).sum(1), (first * second).sum(1)
    rest = (1 - c**2).clamp_min(_CLOSE)
    weights = (a - b * c) / rest, (b - a * c) / rest
    both = weights[0] * a + weights[1] * b
    better = torch.maximum(a**2, b**2)
    gain = (both - better) / (1 - better).clamp_min(_EXPLAINED)
    return torch.where((weights[0] * weights[1] > 0) & (both > 0.5), gain.clamp(0, 1), torch.zeros_like(gain))
