"""A point of the forward process, and what a solver is."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class NoiseLevel:
    """Where an image is ``signal · clean + sigma · noise``.

    Args:
        time: what the denoiser is told.
        signal: α of the solvers' papers.
        sigma: σ; 0 at the end of sampling.
    """

    time: float
    signal: float
    sigma: float

    @property
    def log_snr(self) -> float:
        """λ = log(α / σ) (Lu et al. 2022, arXiv 2211.01095, §2.1); infinite at pure noise and at no noise."""
        if self.signal == 0:
            return -math.inf
        return math.inf if self.sigma == 0 else math.log(self.signal / self.sigma)


Transitions = Iterable[tuple[NoiseLevel, NoiseLevel]]
"""(from, to) of every step, from the noisiest to the cleanest."""

Predict = Callable[[Tensor, NoiseLevel], Tensor]
"""(noisy (batch, …), its level) → the predicted clean image."""

Deterministic = Callable[[Predict, Tensor, Transitions], Tensor]
"""(predict, noise, transitions) → images."""

Stochastic = Callable[[Predict, Tensor, Transitions, Callable[[], Tensor]], Tensor]
"""(predict, noise, transitions, fresh noise) → images."""


def ddim_step(noisy: Tensor, clean: Tensor, start: NoiseLevel, end: NoiseLevel) -> Tensor:
    """Return the solution at ``end`` if the prediction stays ``clean`` (Lu et al. 2022, eq. 8, first order: DDIM)."""
    shrink = end.sigma / start.sigma
    return shrink * noisy + (end.signal - shrink * start.signal) * clean


def extrapolation_weight(before: NoiseLevel | None, start: NoiseLevel, end: NoiseLevel) -> float:
    """Return h / (2 h_before), which extrapolates a prediction to the middle of a step (Lu et al. 2022, algorithm 2).

    It is 0, which makes the step first order, in the first step, after a step from pure noise and in the last one.
    """
    if before is None or end.sigma == 0 or before.signal == 0:
        return 0.0
    return (end.log_snr - start.log_snr) / (2 * (start.log_snr - before.log_snr))
