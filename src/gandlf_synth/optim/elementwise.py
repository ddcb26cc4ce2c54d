"""The part that optimizers share whose update treats every weight alike."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class ElementwiseOptimizer(Optimizer, ABC):
    """An optimizer that is defined by what becomes of one tensor of weights."""

    @abstractmethod
    def update(self, weights: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Change ``weights`` in place.

        Args:
            weights: of any shape.
            gradient: shaped as ``weights``; must not be changed.
            state: what is remembered of these weights; empty at the first step.
            group: the hyperparameters.
        """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all weights that have a gradient; return what ``closure``, which computes the gradients, returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is not None:
                    self.update(weights, weights.grad, self.state[weights], group)
        return loss
