"""A training does not depend on how many processes share its batches, nor on whether their number changes."""

from pathlib import Path

import pytest
import torch
from tests.factories import Cli
from tests.processes import finish, free_port, run, srun, start, wait_for_a_new, write_job

from gandlf_synth.models.checkpoint import read_checkpoint
from gandlf_synth.training.resume import trained_epochs


@pytest.mark.slow
def test_two_processes_that_are_killed_go_on_as_one_with_the_batches_that_one_would_have_seen(
    cli: Cli, pictures: Path, tmp_path: Path
) -> None:
    words, store, epochs = write_job(cli, pictures, tmp_path, epochs=8), tmp_path / "store", ("--set", "num_epochs=8")
    assert cli("prepare", *words, "-o", store, "--dtype", "float32")[0] == 0
    one, other = tmp_path / "one", tmp_path / "other"
    run("train", *words, *epochs, "-m-dir", one, "--set", "batch_size=8")

    shared = ("train", *words[:2], "-dt", store, *epochs, "-m-dir", other, "--set", "batch_size=4")
    both = [start(*shared, variables=variables) for variables in srun(free_port())]
    wait_for_a_new(other / "checkpoints" / "last.ckpt", both[0])
    for process in both:
        process.kill()
        process.communicate(timeout=60)
    assert trained_epochs(read_checkpoint(other / "checkpoints" / "last.ckpt")) < 8
    out = finish(start(*shared, "--resume"))

    assert out
    assert (
        "8 images in a step of all processes together, as before: 8 in each of 1"
        in (other / "training_manager.log").read_text()
    )
    states = [read_checkpoint(folder / "checkpoints" / "last.ckpt")["state_dict"] for folder in (one, other)]
    for name, weights in states[0].items():
        assert torch.allclose(weights, states[1][name], rtol=1e-3, atol=1e-5), name
