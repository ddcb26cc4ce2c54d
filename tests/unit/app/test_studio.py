"""The process that holds the model: it computes once, notices what a training writes, and says how near images are."""

import os
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from gandlf_synth.api import GenerationRequest, generate
from gandlf_synth.app.order import Order
from gandlf_synth.app.remembered import RememberingLoader
from gandlf_synth.app.studio import Studio
from gandlf_synth.app.worker_process import WorkerOptions
from gandlf_synth.errors import CheckpointError, GandlfSynthError
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.progress import no_progress


def make(studio: Studio, folder: Path, **order: object) -> dict[str, Any]:
    return studio.make(Order.parse(order), {}, folder, StringIO(), no_progress)


def test_the_same_images_in_another_format_cost_no_second_sampling(trained: Path, tmp_path: Path) -> None:
    loader = RememberingLoader()
    module: Any = loader.load(ModelFolder(trained).choose_checkpoint(None), "ddpm")
    passes: list[int] = []
    module.process.denoiser.register_forward_hook(lambda *_: passes.append(1))

    counts = []
    for name, seed in (("nifti", 4), ("png", 4), ("png", 5)):
        request = GenerationRequest(trained, tmp_path, counts=1, seed=seed, output_format=name)
        generate(request, loader=loader)
        counts.append(len(passes))

    assert counts[0] > 0
    assert counts[1] == counts[0]
    assert counts[2] > counts[1]


def test_a_new_checkpoint_of_a_training_that_goes_on_is_noticed(trained: Path, tmp_path: Path) -> None:
    folder = ModelFolder(Path(shutil.copytree(trained, tmp_path / "model")))
    studio = Studio(WorkerOptions(folder.root))
    assert not studio.changed

    newest = folder.choose_checkpoint(None)
    os.utime(newest, (1, 1))

    assert studio.changed
    assert studio.describe()["state"] == "ready"
    assert not studio.changed


def test_a_damaged_checkpoint_is_refused_with_the_usual_words(trained: Path, tmp_path: Path) -> None:
    folder = ModelFolder(Path(shutil.copytree(trained, tmp_path / "model")))
    folder.choose_checkpoint(None).write_bytes(b"nothing")

    with pytest.raises(CheckpointError, match="holds more than weights and plain values"):
        Studio(WorkerOptions(folder.root))


def test_copies_are_looked_for_only_where_there_are_subjects_enough(trained: Path, tmp_path: Path) -> None:
    studio = Studio(WorkerOptions(trained, refuse_copies=trained.parent / "data.csv"))

    assert studio.describe()["checks_copies"]
    with pytest.raises(GandlfSynthError, match="holds 8 subjects, too few to tell copies"):
        make(studio, tmp_path)
