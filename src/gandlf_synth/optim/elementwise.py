"""Optimizers that treat every weight alike, each from its paper: Lion, ADOPT, AdEMAMix."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable
from math import exp, log
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

Tensors = list[Tensor]
Options = dict[str, Any]
"""What torch keeps for an optimizer: the state of a tensor, or the hyperparameters of a group of weights."""


class ElementwiseOptimizer(Optimizer, ABC):
    """An optimizer that does the same to every weight, so that all tensors of weights are changed in one call."""

    @abstractmethod
    def update(self, weights: Tensors, gradients: Tensors, states: list[Options], group: Options) -> None:
        """Change ``weights`` in place.

        Args:
            weights: tensors of any shapes, which have taken the same number of steps.
            gradients: shaped as ``weights``; must not be changed.
            states: what is remembered of each tensor; empty at its first step.
            group: the hyperparameters.
        """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override, unused-ignore]
        """Update all weights that have a gradient; return the loss of ``closure``, which computes the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            together: dict[int, list[Tensor]] = defaultdict(list)
            for weights in group["params"]:
                if weights.grad is not None:
                    state = self.state[weights]
                    together[state.get("step", 0) if state else -1].append(weights)
            for weights in together.values():
                gradients = [each.grad for each in weights if each.grad is not None]
                self.update(weights, gradients, [self.state[each] for each in weights], group)
        return loss


class Lion(ElementwiseOptimizer):
    """Lion (Chen et al. 2023, arXiv 2302.06675, algorithm 2): moves every weight by ``lr`` in the direction of a sign.

    It wants an ``lr`` 3 to 10 times smaller than AdamW.

    Args:
        params: the weights.
        lr: η, the step.
        betas: β₁, the weight of the momentum in the direction; β₂, the decay of the momentum.
        weight_decay: λ, decoupled; wants to be as much larger as ``lr`` is smaller.

    Example:
        >>> weights = torch.nn.Parameter(torch.tensor([1.0, -1.0]))
        >>> optimizer = Lion([weights], lr=0.1, betas=(0.9, 0.99), weight_decay=0.0)
        >>> weights.square().sum().backward()
        >>> optimizer.step()
        >>> [round(value, 3) for value in weights.tolist()]
        [0.9, -0.9]
    """

    def __init__(self, params: ParamsT, lr: float, betas: tuple[float, float], weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    def update(self, weights: Tensors, gradients: Tensors, states: list[Options], group: Options) -> None:
        """Apply algorithm 2."""
        beta1, beta2 = group["betas"]
        for each, state in zip(weights, states, strict=True):
            if not state:
                state["momentum"] = torch.zeros_like(each)
        (momentum,) = _remembered(states, "momentum")
        direction = torch._foreach_lerp(momentum, gradients, 1 - beta1)  # c = β₁ m + (1 − β₁) g
        torch._foreach_sign_(direction)
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(weights, direction, alpha=-group["lr"])  # θ −= η (sign c + λθ)
        torch._foreach_lerp_(momentum, gradients, 1 - beta2)  # m = β₂ m + (1 − β₂) g


class ADOPT(ElementwiseOptimizer):
    """ADOPT (Taniguchi et al. 2024, "Modified Adam Can Converge with Any β₂ with the Optimal Rate", arXiv 2411.02853).

    It is Adam that divides by the second moment of earlier steps only, and before it averages.

    This is the paper's clipped form with cₜ = t^¼: without clipping, a weight whose first gradient is zero, as before a
    layer initialized with zeros, is thrown far away by its second.

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

    def update(self, weights: Tensors, gradients: Tensors, states: list[Options], group: Options) -> None:
        """Apply the clipped algorithm; the first gradient only initializes."""
        if group["weight_decay"] and not group["decoupled"]:
            gradients = list(torch._foreach_add(gradients, weights, alpha=group["weight_decay"]))
        if not states[0]:
            for gradient, state in zip(gradients, states, strict=True):
                state.update(step=0, mean=torch.zeros_like(gradient), square=gradient.square())  # m₀ = 0, v₀ = g₀²
            return
        beta1, beta2 = group["betas"]
        mean, square = _remembered(states, "mean", "square")
        bound = _count(states) ** 0.25  # cₜ
        divisor = torch._foreach_sqrt(square)
        torch._foreach_clamp_min_(divisor, group["eps"])
        normed = torch._foreach_div(gradients, divisor)
        torch._foreach_clamp_min_(normed, -bound)
        torch._foreach_clamp_max_(normed, bound)
        torch._foreach_lerp_(mean, normed, 1 - beta1)  # mₜ = β₁ mₜ₋₁ + (1 − β₁) clip(gₜ / max(√vₜ₋₁, ε), cₜ)
        if group["decoupled"]:
            torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(weights, mean, alpha=-group["lr"])  # θₜ = θₜ₋₁ − α mₜ
        torch._foreach_mul_(square, beta2)  # vₜ = β₂ vₜ₋₁ + (1 − β₂) gₜ²
        torch._foreach_addcmul_(square, gradients, gradients, value=1 - beta2)


class AdEMAMix(ElementwiseOptimizer):
    """AdEMAMix (Pagliardini et al. 2024, arXiv 2409.03137): AdamW with a second, much slower momentum beside the first.

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

    def update(self, weights: Tensors, gradients: Tensors, states: list[Options], group: Options) -> None:
        """Apply algorithm 1."""
        if not states[0]:
            for each, state in zip(weights, states, strict=True):
                state.update(step=0, **{name: torch.zeros_like(each) for name in ("fast", "slow", "square")})
        step = _count(states)
        fast, slow, square = _remembered(states, "fast", "slow", "square")
        beta1, beta2, _ = group["betas"]
        alpha, beta3 = _warmed_up(step, group)
        torch._foreach_lerp_(fast, gradients, 1 - beta1)  # m₁ = β₁ m₁ + (1 − β₁) g
        torch._foreach_lerp_(slow, gradients, 1 - beta3)  # m₂ = β₃ m₂ + (1 − β₃) g
        torch._foreach_mul_(square, beta2)  # ν = β₂ ν + (1 − β₂) g²
        torch._foreach_addcmul_(square, gradients, gradients, value=1 - beta2)
        divisor = torch._foreach_div(square, 1 - beta2**step)
        torch._foreach_sqrt_(divisor)
        torch._foreach_add_(divisor, group["eps"])  # √ν̂ + ε
        direction = torch._foreach_div(fast, 1 - beta1**step)
        torch._foreach_add_(direction, slow, alpha=alpha)  # m̂₁ + α m₂; m₂ is not corrected for its start
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_addcdiv_(weights, direction, divisor, value=-group["lr"])


def _remembered(states: list[Options], *names: str) -> tuple[list[Tensor], ...]:
    """Return what the states of all tensors hold under each name."""
    return tuple([state[name] for state in states] for name in names)


def _count(states: list[Options]) -> int:
    """Count a step in all ``states``, which have taken the same number; return it."""
    step: int = states[0]["step"] + 1
    for state in states:
        state["step"] = step
    return step


def _warmed_up(step: int, group: Options) -> tuple[float, float]:
    """Return α and β₃ at ``step``: α grows linearly, the half-life of β₃ linearly from that of β₁ (section 3)."""
    alpha, (beta1, _, beta3) = group["alpha"], group["betas"]
    progress = min(1.0, step / group["num_warmup_steps"]) if group["num_warmup_steps"] else 1.0
    if progress == 1 or not 0 < beta1 < beta3:
        return progress * alpha, beta3
    start, end = log(beta1), log(beta3)
    return progress * alpha, min(beta3, exp(start * end / ((1 - progress) * end + progress * start)))
