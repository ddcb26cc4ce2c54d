"""What a competitor hands over after training."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Args:
        sample: (images, batch size, class of each or None) → ``(images, 1, *shape)`` in [-1, 1].
        steps: optimisation steps that the time allowed.
        parameters: weights.
        sampling: how it samples, in words.
    """

    sample: Callable[[int, int, Tensor | None], Tensor]
    steps: int
    parameters: int
    sampling: str
