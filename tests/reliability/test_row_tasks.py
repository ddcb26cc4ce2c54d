"""Each task that makes an image of a row: trained and generated in pieces, it gives the bytes of one that was not."""

import csv
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.factories import write_picture
from tests.processes import Process, finish, run, same_state, start, train_through_kills

from gandlf_synth import registry

SIDE, ROWS = 16, 8
TASKS: dict[str, tuple[str, list[object], tuple[str, ...]]] = {
    "mask": ("ddpm", ["mask"], ("Channel_0", "Mask")),
    "region": ("ddpm", [{"region": {"holes": "random"}}], ("Channel_0", "Region")),
    "low_resolution": ("ddpm", [{"low_resolution": {"factor": 2}}], ("Channel_0",)),
    "image": ("ddpm", ["image"], ("Channel_0", "Source_0")),
    "translation": ("pix2pix", [{"image": {"missing": 0.5}}], ("Channel_0", "Source_0", "Source_1")),
    "unpaired": ("cyclegan", ["image"], ("Channel_0", "Source_0")),
}
"""Family, conditioning and columns of each."""


def picture(folder: Path, column: str, row: int) -> Path:
    """Write the picture of a cell: a disc, brighter in images than in sources; 1 in masks and regions."""
    y, x = np.mgrid[:SIDE, :SIDE]
    disc = (y - SIDE / 2) ** 2 + (x - 5 - row % 6) ** 2 < 12
    bright = {"Channel_0": 200, "Source_0": 120, "Source_1": 60}.get(column, 1)
    noise = np.random.default_rng(row).integers(0, 20, disc.shape) * (bright > 1)
    return write_picture(folder / f"{column}_{row}.png", (disc * bright + noise).astype(np.uint8))


def table(folder: Path, name: str, columns: Sequence[str], *, unpaired: bool = False) -> Path:
    """Write pictures and their table; ``unpaired``: no row has both sides."""
    path = folder / name
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["SubjectID", *columns])
        for row in range(ROWS):
            cells = [str(picture(folder, column, row)) for column in columns]
            if unpaired:
                cells[row % 2] = ""
            writer.writerow([f"s{row}", *cells])
    return path


def job(folder: Path, task: str) -> tuple[tuple[object, ...], Path]:
    """Write what a training needs and the rows to generate from; return the words for ``train``, and the rows."""
    family, conditioning, columns = TASKS[task]
    section = {**registry.load("models", family).tiny, "model_name": family, "conditioning": conditioning}
    section |= {"tensor_shape": [SIDE, SIDE], "save_eval_images_every_n_epochs": -1}
    config = folder / "config.yaml"
    document = {"model_config": section, "num_epochs": 20, "batch_size": 4}
    config.write_text(json.dumps({**document, "compute": {"accelerator": "cpu", "precision": 32}}))
    learned = table(folder, "data.csv", columns, unpaired=task == "unpaired")
    given = [column for column in columns if column != "Channel_0" or task in ("region", "low_resolution")]
    return ("-c", config, "-dt", learned), table(folder, "inputs.csv", given)


def kill_after(process: Process, folder: Path, pattern: str) -> None:
    """Kill a process as soon as there is a file."""
    deadline = time.monotonic() + 120
    while not list(folder.rglob(pattern)) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_a_killed_training_and_a_killed_generation_end_with_the_bytes_of_whole_ones(tmp_path: Path, task: str) -> None:
    words, inputs = job(tmp_path, task)
    finish(start("train", *words, "-m-dir", tmp_path / "whole"))

    train_through_kills(words, tmp_path / "killed", 2, random.Random(0))

    assert same_state(*(tmp_path / name / "checkpoints" / "last.ckpt" for name in ("whole", "killed")))
    generate = ("generate", "-m-dir", tmp_path / "whole", "-dt", inputs, "--n-samples", 2)
    kill_after(start(*generate, "-i-dir", tmp_path / "pieces"), tmp_path / "pieces", "s1_synthetic_0.json")
    run(*generate, "-i-dir", tmp_path / "pieces", "--resume")
    run(*generate, "-i-dir", tmp_path / "at_once")
    pieces, at_once = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("s[0-9]_*")} for name in ("pieces", "at_once")
    )
    assert len(at_once) >= 2 * ROWS
    assert pieces == at_once
