"""A run that the clock ends keeps time for what follows, and its last grid shows its last weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, Trainer
from PIL import Image
from rich.console import Console
from tests.runs import tiny_config, tiny_module, tiny_spec

from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.checkpoint import load_module
from gandlf_synth.testing import synthetic_data
from gandlf_synth.training.callbacks import SampleGrid
from gandlf_synth.training.fit import FitResult, fit


def train(root: Path, seconds: float, **section: Any) -> tuple[Any, FitResult]:
    config = tiny_config("ddpm", {}, save_eval_images_every_n_epochs=1000, n_fixed_images_to_generate=1, **section)
    config = config.model_copy(update={"num_epochs": 10_000})
    spec = tiny_spec(2)
    data = synthetic_data(spec, root)
    result = fit(tiny_module(config, spec), data, config, ModelFolder(root), Console(quiet=True), seconds=seconds)
    return config, result


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_the_last_grid_shows_the_last_weights(tmp_path: Path, ema_decay: float) -> None:
    config, result = train(tmp_path, 1.0, ema_decay=ema_decay)

    (grid,) = (tmp_path / "eval_images").iterdir()
    again = tmp_path / "again.png"
    SampleGrid(tmp_path, config.model).draw(load_module(ModelFolder(tmp_path).last), again)
    assert grid.stem == f"epoch_{result.epochs:04d}"
    assert list(Image.open(grid).getdata()) == list(Image.open(again).getdata())


class StepClock(Callback):
    """A clock on which a run of ten thousand epochs takes twenty steps."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: object) -> None:
        pl_module.elapsed_fraction = trainer.global_step / 20
        trainer.should_stop = trainer.global_step >= 20


def grids_of(root: Path, epochs: int, samples: int, callbacks: Sequence[Callback] = ()) -> list[str]:
    config = tiny_config("ddpm", {}, save_eval_images_every_n_epochs="tenth", n_fixed_images_to_generate=1)
    config, spec = config.model_copy(update={"num_epochs": epochs}), tiny_spec(2)
    data = synthetic_data(spec, root, samples=samples, phases=("train",))
    fit(tiny_module(config, spec), data, config, ModelFolder(root), Console(quiet=True), callbacks=callbacks)
    return sorted(path.stem for path in (root / "eval_images").iterdir())


def test_grids_come_by_the_clock_within_long_epochs(tmp_path: Path) -> None:
    names = grids_of(tmp_path, 10_000, 48, [StepClock()])  # epochs of twelve steps

    assert [name for name in names if "step" in name] == [
        f"epoch_{step // 12:04d}_step_{step:06d}" for step in range(3, 20, 2)
    ]
    assert names[-1] == "epoch_0002"


def test_grids_by_tenths_come_by_steps_where_no_clock_ends_the_run(tmp_path: Path) -> None:
    assert grids_of(tmp_path, 3, 8) == ["epoch_0000_step_000001", "epoch_0001", "epoch_0001_step_000003", "epoch_0002",
                                        "epoch_0002_step_000005", "epoch_0003"]  # fmt: skip


def test_a_grid_has_as_many_images_as_there_is_time_for(tmp_path: Path) -> None:
    config = tiny_config("ddpm", {}, save_eval_images_every_n_epochs=1)
    module = tiny_module(config, tiny_spec(2, "unlabeled"))
    sizes = []
    for limit in (100.0, 3.5):
        grid = SampleGrid(tmp_path, config.model)
        grid.expect(1.0, limit)
        grid.draw(module, tmp_path / f"{limit}.png")
        sizes.append((grid.seconds, Image.open(tmp_path / f"{limit}.png").width))

    assert [seconds for seconds, _ in sizes] == [8.0, 3.0]
    assert sizes[0][1] > 2 * sizes[1][1]
