"""Networks that take turns learn when it is theirs, also where a run has one epoch, and schedules fill that time."""

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from tests.runs import SignalBefore, tiny_config, tiny_module, tiny_spec, train

from gandlf_synth.errors import StoppedError
from gandlf_synth.registry import load
from gandlf_synth.testing import check_model
from gandlf_synth.training.callbacks import RateSchedule

STAGES = {
    "vqvae": ({"prior_fraction": 0.5}, "prior"),
    "autoencoder_kl": ({"adversarial_start_fraction": 0.5}, "discriminator"),
}
BATCHES = 6


class Rates(Callback):
    """Keeps the gradients' presence and the learning rate of each network, batch by batch."""

    def __init__(self) -> None:
        self.learned: dict[str, list[bool]] = {}
        self.rates: dict[str, list[float]] = {}

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._before = {name: _weights(pl_module.network(name)) for name in pl_module.config.networks}

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        for number, name in enumerate(pl_module.config.networks[: len(trainer.optimizers)]):
            moved = not torch.equal(self._before[name], _weights(pl_module.network(name)))
            self.learned.setdefault(name, []).append(moved)
            self.rates.setdefault(name, []).append(trainer.optimizers[number].param_groups[0]["lr"])


def _weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([torch.empty(0), *(weights.detach().flatten() for weights in network.parameters())])


def one_epoch(family: str, root: Path, *callbacks: Callback, **more: Any) -> Any:
    section = {**STAGES[family][0], **more.pop("section", {})}
    return train(
        family, root, samples=4 * BATCHES, epochs=1, section=section, callbacks=callbacks, **more
    )  # batches of four


@pytest.mark.parametrize("family", STAGES)
def test_the_later_network_learns_in_the_second_half_of_a_single_epoch(family: str, tmp_path: Path) -> None:
    rates = Rates()

    one_epoch(family, tmp_path, rates)

    assert rates.learned[STAGES[family][1]] == [False] * 3 + [True] * 3
    first = "model" if family == "vqvae" else "generator"
    assert rates.learned[first] == [True] * 3 + [family != "vqvae"] * 3


@pytest.mark.parametrize("stopped_in", [1, 2, 3])
@pytest.mark.parametrize("family", STAGES)
def test_a_run_that_was_stopped_near_the_change_ends_with_the_same_weights(
    family: str, stopped_in: int, tmp_path: Path
) -> None:
    whole = one_epoch(family, tmp_path / "whole")
    with suppress(StoppedError):
        one_epoch(family, tmp_path / "stopped", SignalBefore(stopped_in))
    last = next((tmp_path / "stopped").rglob("last.ckpt"))

    resumed = one_epoch(family, tmp_path / "stopped", resume_from=last)

    pairs = zip(whole.module.state_dict().values(), resumed.module.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("family", STAGES)
def test_every_promise_is_kept_where_the_change_is_in_the_middle_of_an_epoch(family: str) -> None:
    changed = {"prior_fraction": 0.8} if family == "vqvae" else {"adversarial_start_fraction": 0.2}

    check_model(family, model_config={**load("models", family).tiny, **changed})


@pytest.mark.parametrize("family", STAGES)
def test_gradients_that_are_added_up_are_not_cut_by_the_change(family: str, tmp_path: Path) -> None:
    rates = Rates()

    one_epoch(family, tmp_path, rates, section={"accumulate_grad_batches": 2})

    assert rates.learned[STAGES[family][1]] == [False] * 5 + [True]


@pytest.mark.parametrize("family", STAGES)
def test_a_scheduler_spans_the_stage_of_its_network(family: str, tmp_path: Path) -> None:
    rates = Rates()

    one_epoch(family, tmp_path, rates, section={"schedulers": {"type": "exponential"}})

    later = rates.rates[STAGES[family][1]]
    assert later[:3] == [pytest.approx(later[0])] * 3
    assert later[-1] == pytest.approx(0.01 * later[0], rel=1e-3)
    if family == "vqvae":
        assert rates.rates["model"][2:] == [pytest.approx(0.01 * later[0], rel=1e-3)] * 4


@pytest.mark.parametrize(
    ("progress", "model", "prior"), [(0.0, 1, 1), (0.4, 0.5, 1), (0.5, 0, 1), (0.9, 0, 0.5), (1.0, 0, 0)]
)
@pytest.mark.parametrize("by_clock", [False, True])
def test_each_network_cools_down_at_the_end_of_its_own_time(
    progress: float, model: float, prior: float, by_clock: bool
) -> None:
    module: Any = tiny_module(tiny_config("vqvae", {}, prior_fraction=0.5), tiny_spec(2))
    optimizers = list(module._optimizers().values())
    epoch = 0 if by_clock else round(10 * progress)
    trainer: Any = SimpleNamespace(optimizers=optimizers, current_epoch=epoch, max_epochs=10, num_training_batches=4)
    module.trainer = trainer
    module.elapsed_fraction = progress if by_clock else 0.0
    batch: Any = None

    RateSchedule(warmup=0.0, cooldown=0.4).on_train_batch_start(trainer, module, batch, 0)

    shares = [optimizer.param_groups[0]["lr"] / optimizer.defaults["lr"] for optimizer in optimizers]
    assert shares == [pytest.approx(model), pytest.approx(prior)]
