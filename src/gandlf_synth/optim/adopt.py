"""ADOPT (Taniguchi et al. 2024, "Modified Adam Can Converge with Any β₂ with the Optimal Rate", arXiv 2411.02853)."""

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from gandlf_synth.optim.elementwise import ElementwiseOptimizer


class ADOPT(ElementwiseOptimizer):
    """Adam that divides by the second moment of earlier steps only, and before it averages.

    This is the paper's clipped form with cₜ = t^¼: without clipping, a weight whose first gradient is zero, as before a
    layer initialised with zeros, is thrown far away by its second.

    Args:
        params: the weights.
        lr: α, the step.
        betas: decay of the first and second moment.
        eps: the smallest divisor.
        weight_decay: strength of the pull towards zero.
        decoupled: pull the weights themselves, as AdamW does, rather than add to the gradient.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        *,
        decoupled: bool,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "decoupled": decoupled}
        super().__init__(params, options)

    def update(self, weights: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Apply the clipped algorithm to one tensor; the first gradient only initialises."""
        if group["weight_decay"] and not group["decoupled"]:
            gradient = gradient.add(weights, alpha=group["weight_decay"])
        if not state:
            state.update(step=0, mean=torch.zeros_like(weights), square=gradient.square())  # m₀ = 0, v₀ = g₀²
            return
        beta1, beta2 = group["betas"]
        mean, square = state["mean"], state["square"]
        state["step"] += 1
        bound = state["step"] ** 0.25  # cₜ
        normed = gradient.div(square.sqrt().clamp_(min=group["eps"])).clamp_(-bound, bound)
        mean.lerp_(normed, 1 - beta1)  # mₜ = β₁ mₜ₋₁ + (1 − β₁) clip(gₜ / max(√vₜ₋₁, ε), cₜ)
        if group["decoupled"]:
            weights.mul_(1 - group["lr"] * group["weight_decay"])
        weights.add_(mean, alpha=-group["lr"])  # θₜ = θₜ₋₁ − α mₜ
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)  # vₜ = β₂ vₜ₋₁ + (1 − β₂) gₜ²
