"""A training that goes on is the same training, at the rates, the place and the time that are meant."""

import shutil
from contextlib import suppress
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from tests.runs import Run, SignalBefore, train

from gandlf_synth.errors import StoppedError
from gandlf_synth.models.checkpoint import load_module, read_checkpoint

ADAM = {"name": "adam", "lr": 1e-3}
EVEN = {"lr_cooldown_fraction": 0.0}
"""The rate of the optimizer from the first to the last step."""


class Steps(Callback):
    """Keeps the rates and the samples of every batch."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.samples: list[list[int]] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.samples.append(batch["index"].tolist())

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


def steps_of(family: str, root: Path, **options: Any) -> tuple[Steps, Run]:
    steps = Steps()
    return steps, train(family, root, callbacks=[steps], **options)


def resumed(family: str, root: Path, run: Run, **options: Any) -> tuple[Steps, Run]:
    return steps_of(family, root, resume_from=run.folder.last, **options)


@pytest.mark.parametrize("family", ["ddpm", "dcgan"])
def test_a_new_rate_and_weight_decay_are_applied(family: str, tmp_path: Path) -> None:
    _, first = steps_of(family, tmp_path, epochs=1, section={"optimizers": {**ADAM, "weight_decay": 0.01}})

    steps, run = resumed(
        family, tmp_path, first, section={**EVEN, "optimizers": {"name": "adam", "lr": 1e-4, "weight_decay": 0.0}}
    )

    assert steps.rates == [1e-4] * 2
    assert run.module.trainer.optimizers[0].param_groups[0]["weight_decay"] == 0


def test_a_rate_that_the_clock_has_lowered_is_not_kept_without_it(tmp_path: Path, clock: list[float]) -> None:
    before, first = steps_of("ddpm", tmp_path, seconds=4.0, epochs=90, section={"optimizers": ADAM})
    assert before.rates[-1] < 0.5e-3

    steps, _ = resumed("ddpm", tmp_path, first, epochs=9, section={**EVEN, "optimizers": ADAM})

    assert set(steps.rates) == {1e-3}


@pytest.mark.parametrize(
    ("family", "scheduler"),
    [("ddpm", "step"), ("ddpm", "exponential"), ("ddpm", "wcs"), ("ddpm", "triangular"), ("dcgan", "wcs")],
)
def test_a_longer_run_goes_on_along_the_schedule_of_its_whole_length(
    family: str, scheduler: str, tmp_path: Path
) -> None:
    section = {"optimizers": ADAM, "schedulers": {"type": scheduler}}
    whole, _ = steps_of(family, tmp_path / "whole", epochs=4, section=section)
    _, first = steps_of(family, tmp_path / "half", epochs=2, section=section)

    steps, _ = resumed(family, tmp_path / "half", first, epochs=4, section=section)

    assert steps.rates == pytest.approx(whole.rates[4:])


@pytest.mark.parametrize(
    ("before", "now"),
    [(None, "wcs"), ("step", None), ("step", "reduce_on_plateau"), ("reduce_on_plateau", "exponential")],
)
def test_another_scheduler_takes_over_where_the_run_stands(before: str | None, now: str | None, tmp_path: Path) -> None:
    section = {**EVEN, "optimizers": ADAM}
    schedules = {name: {**section, "schedulers": {"type": name}} if name else section for name in (before, now)}
    whole, _ = steps_of("ddpm", tmp_path / "whole", epochs=4, section=schedules[now])
    _, first = steps_of("ddpm", tmp_path / "half", epochs=2, section=schedules[before])

    steps, _ = resumed("ddpm", tmp_path / "half", first, epochs=4, section=schedules[now])

    assert steps.rates == pytest.approx(whole.rates[4:])


def test_reductions_of_the_rate_stay_when_the_rate_changes(tmp_path: Path) -> None:
    plateau = {"schedulers": {"type": "plateau", "patience": 0, "threshold": 0.999, "factor": 0.5, "min_lr": 0}}
    first_section = {"optimizers": ADAM, **plateau}
    short, first = steps_of("ddpm", tmp_path / "first", epochs=3, section=first_section)
    assert short.rates[-1] == pytest.approx(0.5e-3)

    same, _ = resumed("ddpm", tmp_path / "same", first, epochs=4, section=first_section)
    steps, _ = resumed(
        "ddpm", tmp_path / "other", first, epochs=4, section={"optimizers": {**ADAM, "lr": 1e-4}, **plateau}
    )

    assert same.rates == pytest.approx([0.25e-3] * 2)
    assert steps.rates == pytest.approx([0.25e-4] * 2)


@pytest.mark.parametrize("batch_size", [3, 8])
def test_another_batch_size_in_the_middle_of_an_epoch_leaves_no_sample_out(batch_size: int, tmp_path: Path) -> None:
    before, after = Steps(), Steps()
    with suppress(StoppedError):
        train("ddpm", tmp_path, samples=24, epochs=1, callbacks=[before, SignalBefore(1)])
    last = next(tmp_path.rglob("last.ckpt"))

    run = train("ddpm", tmp_path, samples=24, epochs=2, resume_from=last, batch_size=batch_size, callbacks=[after])

    per_epoch = -(-24 // batch_size)
    assert len(before.samples) == 2
    assert sorted(chain(*before.samples, *after.samples[:-per_epoch])) == list(range(24))
    assert sorted(chain(*after.samples[-per_epoch:])) == list(range(24))
    assert run.result.epochs == 2


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock on which a quarter of a second passes whenever a callback looks at it."""
    now = [0.0]

    def look() -> float:
        now[0] += 0.25
        return now[0]

    monkeypatch.setattr("gandlf_synth.training.callbacks.stopping.time", SimpleNamespace(monotonic=look))
    return now


def test_the_clock_goes_on_and_an_hour_more_is_not_another_hour(tmp_path: Path, clock: list[float]) -> None:
    whole, run = steps_of("ddpm", tmp_path / "whole", epochs=100, seconds=20.0, section={"optimizers": ADAM})
    _, first = steps_of("ddpm", tmp_path / "half", epochs=100, seconds=10.0, section={"optimizers": ADAM})

    steps, again = resumed("ddpm", tmp_path / "half", first, epochs=100, seconds=20.0, section={"optimizers": ADAM})

    assert first.result.seconds == pytest.approx(10, abs=3)
    assert again.result.seconds == pytest.approx(20, abs=3)
    assert len(steps.rates) < 0.6 * len(whole.rates)
    assert steps.rates[0] == 1e-3  # half of the time is left, and the cooldown is over the last 40 %
    assert steps.rates[-1] < 0.1e-3
    nothing, over = resumed("ddpm", tmp_path / "half", again, epochs=100, seconds=20.0, section={"optimizers": ADAM})
    assert nothing.rates == []
    assert over.result.seconds == pytest.approx(20, abs=3)
    assert run.result.steps > 0


@pytest.mark.parametrize("limits", [({"seconds": 10.0, "epochs": 900}, {"seconds": 200.0, "epochs": 900}),
                                    ({"epochs": 2}, {"epochs": 40})])  # fmt: skip
@pytest.mark.parametrize("family", ["stylegan", "vqvae"])
def test_no_stage_begins_again_in_a_run_that_lasts_longer(
    family: str, limits: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path, clock: list[float]
) -> None:
    section = {"prior_fraction": 0.5} if family == "vqvae" else {}
    _, first = steps_of(family, tmp_path, section=section, **limits[0])
    before: Any = load_module(first.folder.last)

    with suppress(StoppedError):
        stop = SignalBefore(0)
        train(family, tmp_path, resume_from=first.folder.last, section=section, callbacks=[stop], **limits[1])
    after: Any = load_module(first.folder.last)

    assert read_checkpoint(first.folder.last)["global_step"] > 0
    if family == "stylegan":
        assert int(after.stage) == int(before.stage)
        assert float(after.fade) >= float(before.fade)
    else:
        assert after.learning == before.learning == (False, True)


def test_a_folder_that_was_moved_keeps_its_best_checkpoint(tmp_path: Path) -> None:
    first = train("ddpm", tmp_path, epochs=1)
    best = first.folder.best.read_bytes()
    content = torch.load(first.folder.last, weights_only=True)
    rule = content["callbacks"]["_BestCheckpoint:best"]
    unbeatable = torch.tensor(-1.0)
    models = dict.fromkeys(rule["best_k_models"], unbeatable)
    rule.update(best_model_score=unbeatable, kth_value=unbeatable, best_k_models=models)
    torch.save(content, first.folder.last)
    moved = tmp_path / "elsewhere" / "model"
    shutil.copytree(first.folder.root, moved)
    shutil.rmtree(first.folder.root)

    train("ddpm", moved.parent, epochs=2, resume_from=moved / "checkpoints" / "last.ckpt")

    assert (moved / "checkpoints" / "best.ckpt").read_bytes() == best
