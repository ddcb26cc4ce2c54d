"""Every optimizer minimises; those written here do what their papers say."""

from math import exp, log
from typing import Any

import pytest
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch.nn import Parameter
from torch.optim import Optimizer

from gandlf_synth.config import Component
from gandlf_synth.errors import ConfigError
from gandlf_synth.optim import build_optimizer, full_rate
from gandlf_synth.registry import names

RATES = {"adadelta": 30.0, "adagrad": 1.0, "asgd": 0.1, "sgd": 0.01, "lion": 0.01, "novograd": 0.02}


def optimizer(name: str, weights: Parameter, **parameters: Any) -> Optimizer:
    return build_optimizer(Component.model_validate({"name": name, **parameters}), [weights], "optimizers")


def after(name: str, gradients: list[float], **parameters: Any) -> tuple[float, dict[str, Any]]:
    """One weight that starts at 1, after a step with each of ``gradients``; and what is remembered of it."""
    weight = Parameter(torch.ones((), dtype=torch.float64))
    made = optimizer(name, weight, **parameters)
    for gradient in gradients:
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        made.step()
    return weight.item(), made.state[weight]


def test_the_full_rate_is_that_of_the_configuration_also_within_another_optimizer() -> None:
    inner = optimizer("adam", Parameter(torch.zeros(1)), lr=0.02)
    inner.param_groups[0]["lr"] = 0.0
    assert [full_rate(inner), full_rate(LightningOptimizer(inner))] == [0.02, 0.02]


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_one_kernel_for_all_weights_moves_them_as_torch_does_one_by_one(name: str) -> None:
    moved = []
    for fused in (True, False):
        weights = Parameter(torch.linspace(-1, 1, 300).view(3, 100))
        made = optimizer(name, weights, lr=0.01, weight_decay=0.1)
        assert all(group["fused"] for group in made.param_groups)
        for group in made.param_groups:
            group["fused"] = fused
        for step in range(20):
            weights.grad = torch.cos(weights.detach() + step)
            made.step()
        moved.append(weights.detach())

    torch.testing.assert_close(moved[0], moved[1], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", names("optimizers"))
def test_minimises_a_quadratic(name: str) -> None:
    curvature, minimum = torch.tensor([1.0, 4.0]), torch.tensor([3.0, -2.0])
    weights = Parameter(torch.zeros(2))
    made = (
        optimizer(name, weights, lr=RATES.get(name, 0.05), weight_decay=0)
        if name != "rprop"
        else optimizer(name, weights)
    )

    def value() -> torch.Tensor:
        made.zero_grad()
        loss = (curvature * (weights - minimum) ** 2).sum()
        loss.backward()
        return loss

    before = value().item()
    for _ in range(1500):
        made.step(value)

    assert value().item() < 0.01 * before


@pytest.mark.parametrize(
    ("name", "defaults"),
    [
        ("sgd", {"momentum": 0.99, "weight_decay": 3e-5, "nesterov": True}),
        ("adam", {"weight_decay": 5e-5, "betas": (0.9, 0.999)}),
        ("RMSprop", {"weight_decay": 3e-5}),
        ("rprop", {"step_sizes": (1e-7, 50)}),
    ],
)
def test_defaults_are_gandlfs(name: str, defaults: dict[str, Any]) -> None:
    made = optimizer(name, Parameter(torch.ones(1)))

    assert {key: made.defaults[key] for key in defaults} == defaults


def test_lists_become_tuples() -> None:
    assert optimizer("adam", Parameter(torch.ones(1)), betas=[0.5, 0.9]).defaults["betas"] == (0.5, 0.9)


def test_lion_takes_the_steps_of_its_paper() -> None:
    # c = 0.05 → +1; θ = 1·0.99 − 0.1; m = 0.005. Then c = 0.0045 − 0.1 → −1; θ = 0.89·0.99 + 0.1.
    weight, state = after("lion", [0.5, -1.0], lr=0.1, weight_decay=0.1)

    assert weight == pytest.approx(0.9811)
    assert state["momentum"].item() == pytest.approx(0.99 * 0.005 - 0.01)


def test_decay_of_lion_can_be_independent_of_the_rate() -> None:
    weight, _ = after("lion", [0.5], lr=0.1, weight_decay=0.1, decoupled_weight_decay=True)

    assert weight == pytest.approx(0.9 - 0.1)


def test_adopt_takes_the_steps_of_its_paper() -> None:
    # v₀ = 4. Then 1/2 → m = 0.05; v = 3.97. Then 4/√3.97 is clipped to 2^¼ = 1.189207 → m = 0.1639207.
    weight, state = after("adopt", [2.0, 1.0, 4.0], lr=0.1, betas=[0.9, 0.99])

    assert weight == pytest.approx(1 - 0.005 - 0.01639207)
    assert state["square"].item() == pytest.approx(0.99 * 3.97 + 0.16)


def test_adopt_is_not_thrown_away_by_a_first_gradient_of_zero() -> None:
    assert after("adopt", [0.0, 5.0], lr=0.1)[0] == pytest.approx(1 - 0.1 * 0.1)


@pytest.mark.parametrize(("decoupled", "expected"), [(True, 0.98), (False, 1 - 0.1 * 0.1 * (0.2 / 0.2))])
def test_adopt_decays_weights_or_adds_to_the_gradient(decoupled: bool, expected: float) -> None:
    weight, _ = after("adopt", [0.0, 0.0], lr=0.1, weight_decay=0.2, decoupled=decoupled)

    assert weight == pytest.approx(expected)


def test_ademamix_takes_the_steps_of_its_paper() -> None:
    # m̂₁ = 2, m₂ = 0.0002, √ν̂ = 2: θ = 0.99 − 0.1·2.001/2. Then m̂₁ = 0.08/0.19, m₂ = 0.00009998, ν̂ = 0.004996/0.001999.
    parameters = {"lr": 0.1, "weight_decay": 0.1}

    assert after("ademamix", [2.0], **parameters)[0] == pytest.approx(0.88995)
    second = 0.88995 * 0.99 - 0.1 * (0.08 / 0.19 + 5 * 0.00009998) / (0.004996 / 0.001999) ** 0.5
    assert after("ademamix", [2.0, -1.0], **parameters)[0] == pytest.approx(second)


def test_ademamix_warms_its_slow_momentum_up() -> None:
    weight, state = after("ademamix", [2.0], lr=0.1, num_warmup_steps=4)

    start, end = log(0.9), log(0.9999)
    beta3 = exp(start * end / (0.75 * end + 0.25 * start))
    assert state["slow"].item() == pytest.approx((1 - beta3) * 2)
    assert weight == pytest.approx(1 - 0.1 * (2 + 5 / 4 * state["slow"].item()) / 2)


@pytest.mark.parametrize("name", ["lion", "adopt", "ademamix"])
def test_a_resumed_optimizer_goes_on_as_if_nothing_had_happened(name: str) -> None:
    whole, _ = after(name, [0.4, -1.0, 0.7, 0.2])
    weight = Parameter(torch.ones((), dtype=torch.float64))
    first, second = optimizer(name, weight), optimizer(name, weight)
    for step, gradient in enumerate([0.4, -1.0, 0.7, 0.2]):
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        if step == 2:
            second.load_state_dict(first.state_dict())
        (first if step < 2 else second).step()

    assert weight.item() == whole


@pytest.mark.parametrize("parameters", [{}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled": True}])
@pytest.mark.parametrize("name", ["lion", "adopt", "ademamix"])
def test_many_tensors_are_changed_together_as_each_alone(name: str, parameters: dict[str, Any]) -> None:
    if name != "adopt":
        parameters = {key: value for key, value in parameters.items() if key != "decoupled"}
    rng = torch.Generator().manual_seed(0)
    starts = [torch.randn(shape, generator=rng) for shape in ((3,), (2, 2), (), (5,))]
    together, alone = ([Parameter(start.clone()) for start in starts] for _ in range(2))
    component = Component.model_validate({"name": name, **parameters})
    one, many = (
        [build_optimizer(component, weights, "optimizers") for weights in groups]
        for groups in ([together], [[each] for each in alone])
    )

    for step in range(6):
        for number, pair in enumerate(zip(together, alone, strict=True)):
            gradient = torch.randn(pair[0].shape, generator=rng)
            # The third tensor joins late, and the first has no gradient in between.
            left_out = (number == 0 and step == 3) or (number == 2 and step < 2)
            for weights in pair:
                weights.grad = None if left_out else gradient.clone()
        for made in (*one, *many):
            made.step()

    for ours, theirs in zip(together, alone, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


def test_a_negative_rate_names_the_place_and_what_is_allowed() -> None:
    with pytest.raises(ConfigError) as caught:
        optimizer("adam", Parameter(torch.ones(1)), lr=-1)

    assert str(caught.value) == "optimizers: lr: -1 is not valid; allowed: greater than 0"


def test_what_torch_refuses_names_the_place() -> None:
    with pytest.raises(ConfigError, match="optimizers: sgd refuses its parameters: Nesterov momentum requires"):
        optimizer("sgd", Parameter(torch.ones(1)), momentum=0)
