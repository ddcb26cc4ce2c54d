"""Gaussian noise that nobody can compute again: straight from the operating system's generator."""

import os
from collections.abc import Sequence
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_SUMMED = 4
"""Draws that are summed for one number, so that its last digits do not tell how it was made (Holohan & Braghin 2021,
arXiv 2107.10138, section 5.1); as in the secure mode of Opacus."""
_PIECE = 2**20
SOURCE = "the operating system's generator (os.urandom), four draws for a number; nothing is seeded or stored"


def secret_seed() -> int:
    """Return a seed that nobody can know, for what is random in the pass of a subject."""
    return int.from_bytes(os.urandom(8), "big") >> 1


def secret_uniform(count: int) -> NDArray[np.float64]:
    """Return ``count`` numbers in (0, 1) that nobody can know.

    Example:
        >>> drawn = secret_uniform(1000)
        >>> bool(((drawn > 0) & (drawn < 1)).all())
        True
    """
    whole = np.frombuffer(os.urandom(8 * count), np.uint64) >> np.uint64(11)
    return (whole.astype(np.float64) + 0.5) * 2.0**-53


def secret_normal(shape: Sequence[int]) -> Tensor:
    """Return standard normal noise of a ``shape``, in 64 bits on the CPU, that nobody can know.

    Example:
        >>> secret_normal((2, 3)).shape
        torch.Size([2, 3])
    """
    count = prod(shape)
    noise = np.empty(count)
    for start in range(0, count, _PIECE):
        length = min(_PIECE, count - start)
        noise[start : start + length] = sum(_normal(length) for _ in range(_SUMMED)) / _SUMMED**0.5
    return torch.from_numpy(noise.reshape(tuple(shape)))


def _normal(count: int) -> NDArray[np.float64]:
    """Return numbers of the normal distribution by Box and Muller (1958)."""
    half = -(-count // 2)
    radius, angle = np.sqrt(-2 * np.log(secret_uniform(half))), 2 * np.pi * secret_uniform(half)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
