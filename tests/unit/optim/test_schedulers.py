"""Every scheduler gives the rate of its definition; lengths are in epochs and the curve is followed batch by batch."""

from io import BytesIO
from math import cos, pi
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch.nn import Parameter

from gandlf_synth.config import Component
from gandlf_synth.errors import ConfigError
from gandlf_synth.optim import SchedulerEntry, build_optimizer, build_scheduler
from gandlf_synth.registry import names

STEPS_PER_EPOCH, NUM_EPOCHS, LR = 10, 20, 1e-2
PLATEAU = ("reduce_on_plateau", "reduce-on-plateau", "plateau", "reduceonplateau")


def made(name: str, scheduled_by: str = "adam", lr: float = LR, **parameters: Any) -> SchedulerEntry:
    weights = [Parameter(torch.ones(1))]
    scheduled = build_optimizer(Component.model_validate({"name": scheduled_by, "lr": lr}), weights, "optimizers")
    component = Component.model_validate({"type": name, **parameters})
    return build_scheduler(component, scheduled, STEPS_PER_EPOCH, NUM_EPOCHS, "schedulers", monitor="val_loss")


def advance(scheduler: Any) -> float:
    """Step once, with a metric that never improves; return the rate."""
    scheduler.optimizer.step()
    scheduler.step(*([1.0] if hasattr(scheduler, "patience") else []))
    return float(scheduler.optimizer.param_groups[0]["lr"])


def rates(name: str, **parameters: Any) -> list[float]:
    """The rate of every step of the run, as multiples of ``LR``."""
    scheduler = made(name, **parameters)["scheduler"]
    first = float(scheduler.optimizer.param_groups[0]["lr"])
    return [rate / LR for rate in [first, *(advance(scheduler) for _ in range(STEPS_PER_EPOCH * NUM_EPOCHS))]]


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("step", {"step_size": 3, "gamma": 0.5}, {0: 1, 29: 1, 30: 0.5, 59: 0.5, 60: 0.25}),
        ("step", {}, {66: 1, 67: 0.1, 134: 0.01}),
        ("exp", {"gamma": 0.5}, {0: 1, 5: 0.5**0.5, 10: 0.5, 30: 0.125}),
        ("exponential", {}, {0: 1, 100: 0.1, 200: 0.01}),
        ("triangle", {"step_size": 2}, {0: 1, 10: 0.5005, 20: 0.001, 40: 1}),
        ("triangle", {"step_size": 2, "min_lr": 0.2, "max_lr": 2}, {0: 2, 20: 0.2, 30: 1.1}),
        ("triangle", {}, {0: 1, 40: 0.001, 80: 1}),
        ("triangle_modified", {"step_size": 2}, {0: 1, 10: 0.001, 15: 0.5005, 20: 1}),
        (
            "triangle_modified",
            {"step_size": 2, "min_lr": 0.1, "max_lr": 1, "max_lr_multiplier": 0.5},
            {0: 0.5, 10: 0.1},
        ),
        ("triangular", {"step_size": 2}, {0: 0.001, 10: 0.5005, 20: 1, 40: 0.001}),
        ("triangular", {"step_size": 2, "min_lr": 0.1 * LR, "max_lr": 0.5 * LR}, {0: 0.1, 20: 0.5}),
        ("exp_range", {"step_size": 1, "gamma": 0.5}, {0: 0.001, 10: 0.001 + 0.999 / 2, 30: 0.001 + 0.999 / 8}),
        ("exp_range", {"step_size": 20}, {200: 0.001 + 0.999 * 0.01}),
        ("cosineannealing", {"T_0": 2}, {0: 1, 10: 0.505, 19: 0.505 + 0.495 * cos(0.95 * pi), 20: 1, 30: 0.505}),
        ("cosineannealingwarmrestarts", {"T_mult": 2, "eta_min": 0}, {25: 0.5, 50: 1, 100: 0.5, 150: 1}),
        ("cosineannealinglr", {}, {100: 0.505 + 0.495 * cos(0.2 * pi)}),
        ("cosineannealinglr", {"T_max": 4}, {0: 1, 20: 0.505, 40: 0.01, 80: 1}),
        ("warmupcosineschedule", {}, {0: 0, 10: 0.5, 20: 1, 110: 0.5, 200: 0.01}),
        ("wcs", {"warmup_steps": 0, "eta_min": 0.2 * LR}, {0: 1, 100: 0.5, 200: 0.2}),
        ("wcs", {"warmup_steps": 0.5}, {4: 0.8, 5: 1}),
    ],
)
def test_the_rate_is_that_of_the_definition(name: str, parameters: dict[str, Any], expected: dict[int, float]) -> None:
    found = rates(name, **parameters)

    assert {step: found[step] for step in expected} == pytest.approx(expected)


def test_reduce_on_plateau_waits_and_stops_at_its_floor() -> None:
    # The first value is the best one; two more are borne; the next one reduces, and counting starts again.
    found = rates("plateau", patience=2, factor=0.5, min_lr=0.3 * LR)

    assert found[:8] == pytest.approx([1, 1, 1, 1, 0.5, 0.5, 0.5, 0.3])
    assert min(rates("plateau", patience=0)) == pytest.approx(0.01)


@pytest.mark.parametrize("name", PLATEAU)
def test_reduce_on_plateau_watches_a_value_once_an_epoch(name: str) -> None:
    assert {**made(name), "scheduler": None} == {"scheduler": None, "interval": "epoch", "monitor": "val_loss"}
    assert made(name, monitor="val_ssim", mode="max")["monitor"] == "val_ssim"


@pytest.mark.parametrize("name", sorted(set(names("schedulers")) - set(PLATEAU)))
def test_the_others_follow_their_curve_batch_by_batch(name: str) -> None:
    assert made(name)["interval"] == "step"


@pytest.mark.parametrize("name", names("schedulers"))
def test_no_default_raises_the_rate(name: str) -> None:
    assert max(rates(name, lr=1e-4)) * LR <= 1e-4 * (1 + 1e-9)


@pytest.mark.parametrize(
    ("name", "key"),
    [("cosineannealing", "eta_min"), ("cosineannealinglr", "eta_min"), ("plateau", "min_lr"), ("wcs", "eta_min")],
)
def test_a_floor_above_the_rate_is_refused(name: str, key: str) -> None:
    with pytest.raises(ConfigError, match=rf"schedulers: {name} refuses .*{key} 0.001 is above lr 0.0001"):
        made(name, lr=1e-4, **{key: 1e-3})


@pytest.mark.parametrize("name", names("schedulers"))
def test_a_resumed_scheduler_goes_on_as_if_nothing_had_happened(name: str) -> None:
    whole, resumed = made(name)["scheduler"], made(name)["scheduler"]
    for _ in range(33):
        advance(whole)
    saved = BytesIO()
    torch.save({"scheduler": whole.state_dict(), "optimizer": whole.optimizer.state_dict()}, saved)
    saved.seek(0)
    loaded = torch.load(saved, weights_only=True)
    resumed.load_state_dict(loaded["scheduler"])
    resumed.optimizer.load_state_dict(loaded["optimizer"])

    assert [advance(resumed) for _ in range(20)] == [advance(whole) for _ in range(20)]


def test_momentum_falls_while_the_rate_rises() -> None:
    scheduler = made("triangular", "sgd", step_size=1, cycle_momentum=True)["scheduler"]
    momenta = [scheduler.optimizer.param_groups[0]["momentum"]]
    for _ in range(10):
        advance(scheduler)
        momenta.append(scheduler.optimizer.param_groups[0]["momentum"])

    assert (momenta[0], momenta[-1]) == pytest.approx((0.9, 0.8))


def test_momentum_cannot_be_cycled_where_there_is_none() -> None:
    with pytest.raises(
        ConfigError, match="schedulers: triangular refuses its parameters: optimizer must support momentum"
    ):
        made("triangular", "adagrad", cycle_momentum=True)


@pytest.mark.parametrize("key", ["optimizer", "horizon", "steps_per_epoch", "num_epochs"])
def test_what_the_program_decides_cannot_be_written(key: str) -> None:
    with pytest.raises(ConfigError, match=f"schedulers: {key}: unknown key; allowed: step_size, gamma"):
        made("step", **{key: 3})


class _Line(LightningModule):
    def __init__(self, scheduler: dict[str, Any]) -> None:
        super().__init__()
        self.slope = Parameter(torch.ones(1))
        self.scheduler = scheduler
        self.rates: list[float] = []

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        self.rates.append(self.optimizers().param_groups[0]["lr"])
        self.log("train_loss", 1.0, on_epoch=True)
        return (self.slope * batch[0]).sum()

    def configure_optimizers(self) -> Any:
        optimizer = build_optimizer(Component(name="adam"), self.parameters(), "optimizers")
        component = Component.model_validate(self.scheduler)
        return {"optimizer": optimizer, "lr_scheduler": build_scheduler(component, optimizer, 4, 2, "schedulers")}


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ({"type": "step", "step_size": 0.5, "gamma": 0.5}, [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]),
        ({"type": "plateau", "patience": 0}, [1, 1, 1, 1, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1]),
    ],
)
def test_lightning_takes_what_is_returned(scheduler: dict[str, Any], expected: list[float], tmp_path: Any) -> None:
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(8, 1)), batch_size=2)
    line = _Line(scheduler)
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }

    Trainer(max_epochs=len(expected) // 4, accelerator="cpu", default_root_dir=tmp_path, **quiet).fit(line, data)

    assert [rate / 1e-3 for rate in line.rates] == pytest.approx(expected)
