"""AdEMAMix (Pagliardini et al. 2024, "The AdEMAMix Optimizer: Better, Faster, Older", arXiv 2409.03137)."""

from math import exp, log
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from gandlf_synth.optim.elementwise import ElementwiseOptimizer


class AdEMAMix(ElementwiseOptimizer):
    """AdamW with a second, much slower momentum beside the first.

    Args:
        params: the weights.
        lr: η, the step.
        betas: β₁ of the fast momentum, β₂ of the second moment, β₃ of the slow momentum.
        alpha: α, the weight of the slow momentum.
        eps: added to the divisor.
        weight_decay: λ, decoupled.
        num_warmup_steps: steps in which α and β₃ grow to their values (section 3); 0: none.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float,
        betas: tuple[float, float, float],
        alpha: float,
        eps: float,
        weight_decay: float,
        num_warmup_steps: int,
    ) -> None:
        options = {"lr": lr, "betas": betas, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, options | {"num_warmup_steps": num_warmup_steps})

    def update(self, weights: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Apply algorithm 1 to one tensor."""
        if not state:
            state.update(step=0, **{name: torch.zeros_like(weights) for name in ("fast", "slow", "square")})
        state["step"] += 1
        step, fast, slow, square = state["step"], state["fast"], state["slow"], state["square"]
        beta1, beta2, _ = group["betas"]
        alpha, beta3 = _warmed_up(step, group)
        fast.lerp_(gradient, 1 - beta1)  # m₁ = β₁ m₁ + (1 − β₁) g
        slow.lerp_(gradient, 1 - beta3)  # m₂ = β₃ m₂ + (1 − β₃) g
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)  # ν = β₂ ν + (1 − β₂) g²
        divisor = square.div(1 - beta2**step).sqrt_().add_(group["eps"])  # √ν̂ + ε
        direction = fast.div(1 - beta1**step).add_(slow, alpha=alpha)  # m̂₁ + α m₂; m₂ is not corrected for its start
        weights.mul_(1 - group["lr"] * group["weight_decay"]).addcdiv_(direction, divisor, value=-group["lr"])


def _warmed_up(step: int, group: dict[str, Any]) -> tuple[float, float]:
    """Return α and β₃ at ``step``: α grows linearly, the half-life of β₃ linearly from that of β₁ (section 3)."""
    alpha, (beta1, _, beta3) = group["alpha"], group["betas"]
    progress = min(1.0, step / group["num_warmup_steps"]) if group["num_warmup_steps"] else 1.0
    if progress == 1 or not 0 < beta1 < beta3:
        return progress * alpha, beta3
    start, end = log(beta1), log(beta3)
    return progress * alpha, min(beta3, exp(start * end / ((1 - progress) * end + progress * start)))
