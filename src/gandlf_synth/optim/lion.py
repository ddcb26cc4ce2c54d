"""Lion (Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", arXiv 2302.06675, algorithm 2)."""

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from gandlf_synth.optim.elementwise import ElementwiseOptimizer


class Lion(ElementwiseOptimizer):
    """Moves every weight by ``lr`` in the direction of a sign; wants an ``lr`` 3 to 10 times smaller than AdamW.

    Args:
        params: the weights.
        lr: η, the step.
        betas: β₁, the weight of the momentum in the direction; β₂, the decay of the momentum.
        weight_decay: λ, decoupled; wants to be as much larger as ``lr`` is smaller.
    """

    def __init__(self, params: ParamsT, lr: float, betas: tuple[float, float], weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    def update(self, weights: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Apply algorithm 2 to one tensor."""
        beta1, beta2 = group["betas"]
        if not state:
            state["momentum"] = torch.zeros_like(weights)
        momentum = state["momentum"]
        direction = momentum.lerp(gradient, 1 - beta1).sign_()  # c = β₁ m + (1 − β₁) g
        weights.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-group["lr"])  # θ −= η(sign c + λθ)
        momentum.lerp_(gradient, 1 - beta2)  # m = β₂ m + (1 − β₂) g
