"""Normal numbers from uniform ones, on every device."""

import torch
from torch import Tensor

_SMALLEST = 1e-6


def normal_quantile(uniform: Tensor) -> Tensor:
    """Return standard normal numbers from ``uniform`` ones in [0, 1]; those within 1e-6 of an end count as that far.

    ``torch.special.ndtri`` is not there on Apple's GPUs, nor are numbers of 64 bits.

    Example:
        >>> normal_quantile(torch.tensor([0.1, 0.5, 0.9]))
        tensor([-1.2816,  0.0000,  1.2816])
    """
    normal: Tensor = 2**0.5 * torch.erfinv(2 * uniform.clamp(_SMALLEST, 1 - _SMALLEST) - 1)
    return normal
