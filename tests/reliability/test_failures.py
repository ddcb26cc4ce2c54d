"""What goes wrong in the middle of a run ends in one message, with what was there before intact."""

import json
import os
import pickle
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.factories import Cli
from tests.processes import start, write_job

from gandlf_synth.config import Document, validate
from gandlf_synth.errors import CheckpointError, ResourceError
from gandlf_synth.models.checkpoint import load_module, read_checkpoint
from gandlf_synth.training.memory import memory_guard


def test_numbers_that_are_not_finite_end_the_run_with_what_caused_them(
    cli: Cli, pictures: Path, tmp_path: Path
) -> None:
    words = write_job(cli, pictures, tmp_path, epochs=40)
    model = tmp_path / "model"

    code, _, err = cli("train", *words, "-m-dir", model, "--set", "model_config.optimizers={name: sgd, lr: 1.0e+30}")

    assert code == 8
    assert "the gradients of 10 steps in a row are not finite" in err
    assert "last.ckpt" in err
    dumped = sorted(model.glob("nonfinite_step_*.json"))
    assert json.loads(dumped[0].read_text())["samples"]
    assert read_checkpoint(model / "checkpoints" / "last.ckpt")["global_step"] > 0


def test_a_full_disk_leaves_the_earlier_checkpoint(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    words, model = write_job(cli, pictures, tmp_path, epochs=2), tmp_path / "model"
    assert cli("train", *words, "-m-dir", model)[0] == 0
    last = model / "checkpoints" / "last.ckpt"
    before = last.read_bytes()
    command = [sys.executable, "-m", "gandlf_synth", "train", *map(str, words), "-m-dir", str(model), "--resume"]

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, len(before) // 2))

    more = subprocess.run(
        [*command, "--set", "num_epochs=3"], preexec_fn=little_room, capture_output=True, text=True, check=False
    )

    assert more.returncode == 7, more.stderr
    assert "cannot be written" in more.stderr
    assert "Traceback" not in more.stderr
    assert last.read_bytes() == before
    assert not list((model / "checkpoints").glob(".*"))


class _Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def test_a_hostile_checkpoint_is_refused_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "was_run"
    plain, inside = tmp_path / "plain.ckpt", tmp_path / "inside.ckpt"
    plain.write_bytes(pickle.dumps(_Hostile(mark)))
    torch.save({"gandlf_synth": _Hostile(mark)}, inside)

    for path in (plain, inside):
        with pytest.raises(CheckpointError):
            load_module(path)

    assert not mark.exists()


@pytest.mark.parametrize(
    "said",
    [
        "DataLoader worker (pid(s) 71) exited unexpectedly",
        "DataLoader worker (pid 71) is killed by signal: Bus error. It is possible that dataloader's workers are out of "
        "shared memory. Please try to raise your shared memory limit.",
        "unable to write to file </torch_71_42>: No space left on device (28)",
    ],
)
def test_a_loader_that_the_system_ended_is_told_from_training(said: str) -> None:
    config = validate(Document("c.yaml", {"model_config": {"model_name": "ddpm"}})).config
    message = r"a process that loads images: .*; the system ended it.*--shm-size=8g"

    with pytest.raises(ResourceError, match=message), memory_guard(config):
        raise RuntimeError(said)


def test_running_out_of_memory_names_the_cheapest_changes() -> None:
    text = {"model_config": {"model_name": "ddpm", "tensor_shape": [64, 64, 64]}, "batch_size": 4}
    config = validate(Document("c.yaml", {**text, "compute": {"precision": "32-true"}})).config

    with pytest.raises(ResourceError) as caught, memory_guard(config):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    message = str(caught.value)
    assert "batch_size: 2 with accumulate_grad_batches: 2 (about 50% less, the same result)" in message
    assert "compute.precision: bf16-mixed" in message
    assert "tensor_shape: [48, 48, 48] (about 58% less)" in message


def test_paths_in_a_table_never_write_outside_the_output(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    words, model = write_job(cli, pictures, tmp_path, epochs=1), tmp_path / "deep" / "model"
    table = Path(words[3])
    table.write_text(table.read_text().replace(",benign\n", ",../../../escaped\n"))
    assert cli("train", *words, "-m-dir", model)[0] == 0

    code, out, err = cli("generate", "-m-dir", model, "-n", 2)

    assert code == 0, err
    written = set(tmp_path.rglob("generated_image*"))
    assert written
    assert all(path.parent == Path(out.strip()) for path in written)


@pytest.mark.slow
def test_memory_and_files_stay_flat_in_a_long_run(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    words = write_job(cli, pictures, tmp_path, epochs=2500)

    assert_flat(start("train", *words, "-m-dir", tmp_path / "model"), every=5)


@pytest.mark.slow
def test_memory_and_files_stay_flat_over_two_thousand_images(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    words, model = write_job(cli, pictures, tmp_path, epochs=1), tmp_path / "model"
    assert cli("train", *words, "-m-dir", model)[0] == 0

    assert_flat(start("generate", "-m-dir", model, "--per-class", 1000, "--steps", 20), every=1)

    assert len(list(model.rglob("generated_image_*.json"))) == 2000


def assert_flat(process: subprocess.Popen[str], every: float) -> None:
    """Watch a process to its end: from the first third on, it takes no more memory and no more open files."""
    import psutil

    watched, readings = psutil.Process(process.pid), []
    while process.poll() is None:
        try:
            process.wait(every)
        except subprocess.TimeoutExpired:
            readings.append((watched.memory_info().rss, watched.num_fds()))
    assert process.returncode == 0
    later = readings[len(readings) // 3 :]
    assert len(later) >= 10
    assert max(rss for rss, _ in later[-3:]) < 1.02 * max(rss for rss, _ in later[:3])
    assert later[-1][1] <= later[0][1]
