"""A run that the clock ends keeps time for what follows, and its last grid shows its last weights."""

from pathlib import Path
from typing import Any

import pytest
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
