"""Every registered optimizer and scheduler keeps its promises, and the checkers find those that do not."""

from typing import Any

import pytest
import torch
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from gandlf_synth import registry
from gandlf_synth.errors import PluginError
from gandlf_synth.optim import Horizon
from gandlf_synth.registry import register
from gandlf_synth.testing import check_optimizer, check_scheduler


@pytest.mark.parametrize("name", registry.names("optimizers"))
def test_optimizer_keeps_its_promises(name: str) -> None:
    check_optimizer(name)


@pytest.mark.parametrize("name", registry.names("schedulers"))
def test_scheduler_keeps_its_promises(name: str) -> None:
    check_scheduler(name)


class Forgetful(SGD):
    """Climbs, and counts its steps where state_dict does not see it."""

    def __init__(self, parameters: Any, /, *, lr: float = 0.1) -> None:
        super().__init__(parameters, lr=lr)
        self.steps = 0

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        self.steps += 1
        for weight in self.param_groups[0]["params"]:
            if weight.grad is not None:
                weight.add_(weight.grad, alpha=0.01 * self.steps)


def test_broken_promises_of_an_optimizer_are_named(plugins: None) -> None:
    register("optimizers", "forgetful")(Forgetful)

    with pytest.raises(PluginError) as error:
        check_optimizer("forgetful")

    assert "it makes the squared distance to a target smaller; it gives" in str(error.value)
    assert "an interrupted run goes on exactly from state_dict" in str(error.value)
    assert "stays as it is" not in str(error.value)


def test_broken_promises_of_a_scheduler_are_named(plugins: None) -> None:
    @register("schedulers", "falling")
    def falling(optimizer: Optimizer, horizon: Horizon, /) -> dict[str, Any]:
        return {"scheduler": LambdaLR(optimizer, lambda step: 1 - step / 50), "interval": "batch"}

    with pytest.raises(PluginError) as error:
        check_scheduler("falling")

    assert "it returns a scheduler and an interval, step or epoch; it gives" in str(error.value)
    assert "the rate is finite and not negative in runs of any length; it gives a rate of -0.0" in str(error.value)
    assert "state_dict" not in str(error.value)
