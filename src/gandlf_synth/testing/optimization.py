"""The conformance kit of optimizers and learning-rate schedulers."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from gandlf_synth.config import Component
from gandlf_synth.optim import build_optimizer, build_scheduler
from gandlf_synth.testing.promises import Promises, checked_component, seen_unless

_STEPS = 12
_HORIZONS = ((10, 8), (1, 1), (3, 100))
"""Steps of an epoch and epochs."""
_RATE = 0.1


def check_optimizer(name: str, parameters: Mapping[str, object] | None = None) -> None:
    """Check a registered optimizer.

    Args:
        name: the registered name.
        parameters: as in the YAML; absent: its defaults.

    Raises:
        ConfigError: the name or a parameter is wrong.
        PluginError: every promise that the optimizer breaks.

    Example:
        >>> check_optimizer("adamw", {"lr": 0.01})
    """
    component = checked_component("optimizers", name, parameters)
    promises = Promises(f"optimizers.{name}")
    promises.add("it makes the squared distance to a target smaller", _descends, component)
    promises.add("an interrupted run goes on exactly from state_dict", _resumes, component)
    promises.add("a parameter without a gradient stays as it is", _leaves_alone, component)
    promises.add("every parameter group has a learning rate, lr, which schedulers change", _has_rate, component)
    promises.check()


def check_scheduler(name: str, parameters: Mapping[str, object] | None = None) -> None:
    """Check a registered learning-rate scheduler.

    Args:
        name: the registered name.
        parameters: as in the YAML; absent: its defaults.

    Raises:
        ConfigError: the name or a parameter is wrong.
        PluginError: every promise that the scheduler breaks.

    Example:
        >>> check_scheduler("exponential", {"gamma": 0.9})
    """
    component = checked_component("schedulers", name, parameters)
    promises = Promises(f"schedulers.{name}")
    promises.add("it returns a scheduler and an interval, step or epoch", _has_interval, component)
    promises.add("the rate is finite and not negative in runs of any length", _rates_are_valid, component)
    promises.add("an interrupted run goes on exactly from state_dict", _same_curve, component)
    promises.check()


def _weights() -> list[nn.Parameter]:
    """Return a convolution's weights, a matrix, a bias and a number."""
    rng = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.rand(shape, generator=rng)) for shape in ((3, 2, 3, 3), (4, 3), (4,), (1,))]


def _distance(weights: list[nn.Parameter]) -> Tensor:
    return torch.stack([(weight - 2).square().sum() for weight in weights]).sum()


def _step(optimizer: Optimizer, weights: list[nn.Parameter], steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        torch.autograd.backward(_distance(weights))
        optimizer.step()


def _descends(component: Component) -> str:
    weights = _weights()
    before = float(_distance(weights).detach())
    _step(build_optimizer(component, weights, "optimizers"), weights, _STEPS)
    after = float(_distance(weights).detach())
    return seen_unless(after < before, f"{after} after {before}")


def _resumes(component: Component) -> str:
    whole, halves = _weights(), _weights()
    _step(build_optimizer(component, whole, "optimizers"), whole, _STEPS)
    first = build_optimizer(component, halves, "optimizers")
    _step(first, halves, _STEPS // 2)
    second = build_optimizer(component, halves, "optimizers")
    second.load_state_dict(first.state_dict())
    _step(second, halves, _STEPS - _STEPS // 2)
    kept = all(torch.equal(one, other) for one, other in zip(whole, halves, strict=True))
    return seen_unless(kept, "other weights than a run that was not interrupted")


def _leaves_alone(component: Component) -> str:
    weights, frozen = _weights(), nn.Parameter(torch.ones(3))
    _step(build_optimizer(component, [*weights, frozen], "optimizers"), weights, 2)
    return seen_unless(torch.equal(frozen.detach(), torch.ones(3)), frozen.tolist())


def _has_rate(component: Component) -> str:
    groups = [{"params": [weight]} for weight in _weights()]
    rates = [group.get("lr") for group in build_optimizer(component, groups, "optimizers").param_groups]
    return seen_unless(len(rates) == len(groups) and all(rates), rates)


class _Run:
    """An optimizer whose rate a scheduler changes."""

    def __init__(self, component: Component, steps_per_epoch: int, num_epochs: int) -> None:
        self.optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=_RATE)
        self.plan = build_scheduler(component, self.optimizer, steps_per_epoch, num_epochs, "schedulers")
        self.scheduler = self.plan["scheduler"]

    def rates(self, steps: int) -> list[float]:
        rates = []
        for _ in range(steps):
            self.optimizer.step()
            rates.append(float(self.optimizer.param_groups[0]["lr"]))
            if isinstance(self.scheduler, ReduceLROnPlateau):
                self.scheduler.step(1.0)
            else:
                self.scheduler.step()
        return rates


def _has_interval(component: Component) -> str:
    plan = _Run(component, *_HORIZONS[0]).plan
    kept = plan.get("interval") in ("step", "epoch") and hasattr(plan.get("scheduler"), "step")
    return seen_unless(kept, plan)


def _rates_are_valid(component: Component) -> str:
    for steps_per_epoch, num_epochs in _HORIZONS:
        rates = _Run(component, steps_per_epoch, num_epochs).rates(steps_per_epoch * num_epochs)
        wrong = [rate for rate in rates if not 0 <= rate < float("inf")]
        if wrong:
            return seen_unless(False, f"a rate of {wrong[0]} in {num_epochs} epochs of {steps_per_epoch} steps")
    return ""


def _same_curve(component: Component) -> str:
    steps_per_epoch, num_epochs = _HORIZONS[0]
    whole = _Run(component, steps_per_epoch, num_epochs).rates(steps_per_epoch * num_epochs)
    half = len(whole) // 2
    first, second = (_Run(component, steps_per_epoch, num_epochs) for _ in range(2))
    first.rates(half)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.scheduler.load_state_dict(first.scheduler.state_dict())
    wrong = [pair for pair in zip(whole[half:], second.rates(len(whole) - half), strict=True) if pair[0] != pair[1]]
    return seen_unless(not wrong, f"the rate {wrong[0][1]} instead of {wrong[0][0]}" if wrong else "")
