"""Likeness among the images of one set by multi-scale SSIM (Wang et al. 2003; as a measure of variety: Odena 2017)."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales (Wang et al. 2003, section 3.2)."""
_WINDOW = 11
_BATCH = 64


def scales_for(side: int) -> int:
    """Return how many of the five scales an image of ``side`` pixels has room for; 0 when it has for none."""
    fitting = [n for n in range(1, len(_WEIGHTS) + 1) if side // max(1, (n - 1) ** 2) >= _WINDOW]
    return max(fitting, default=0)


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the MS-SSIM of pairs ``(batch, channels, rows, columns)`` in [0, 1], ``(batch,)``.

    Small images use the scales that fit, with their weights brought to sum 1.
    """
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as measure

    count = scales_for(min(a.shape[-2:]))
    weights = np.array(_WEIGHTS[:count]) / sum(_WEIGHTS[:count])
    found: Tensor = measure(
        a, b, data_range=1.0, betas=tuple(weights.tolist()), normalize="relu", reduction="none", kernel_size=_WINDOW
    )
    return found.reshape(-1)


def pair_likeness(images: NDArray[Any], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the MS-SSIM of every pair of ``images (n, channels, rows, columns)``; ``pairs`` is ``(count, 2)``."""
    found = []
    for start in range(0, len(pairs), _BATCH):
        chunk = pairs[start : start + _BATCH]
        a, b = (torch.from_numpy(np.asarray(images[chunk[:, side]], dtype=np.float32)) for side in (0, 1))
        found.append(ms_ssim(a, b).numpy().astype(np.float64))
    return np.concatenate(found)


def random_pairs(groups: NDArray[np.str_], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return up to ``count`` random pairs of images of different groups, ``(pairs, 2)``; none for a single group."""
    drawn = rng.integers(0, len(groups), (count * 4, 2))
    pairs: NDArray[np.int64] = drawn[groups[drawn[:, 0]] != groups[drawn[:, 1]]][:count]
    return pairs
