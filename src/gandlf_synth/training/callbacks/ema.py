"""An exponential moving average of the weights, from which samples come."""

from typing import Any

import torch
from lightning.pytorch.callbacks import WeightAveraging


class ExponentialMovingAverage(WeightAveraging):
    """Averages the weights over the last ``1 / (1 - decay)`` steps, fewer in the beginning.

    At step n the decay is ``min(decay, (1 + n) / (10 + n))``, so that a short run is not held by its first weights.
    Checkpoints hold the average in ``state_dict``, and the weights being trained beside it.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(multi_avg_fn=self._average)
        self._decay = decay

    @torch.no_grad()
    def _average(self, averaged: Any, current: Any, _: Any) -> None:
        if not averaged[0].is_floating_point():
            torch._foreach_copy_(list(averaged), list(current))
            return
        steps = self._latest_update_step  # torch's own counter lives on the GPU, and reading it would wait for the GPU
        decay = min(self._decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(list(averaged), list(current), 1 - decay)

    def averaged_module(self) -> Any:
        """Return the module with the averaged weights, or None before training."""
        return None if self._average_model is None else self._average_model.module
