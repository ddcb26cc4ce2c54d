"""Strategies that share the weights out, on GPUs: with clipping, resumed, and sampled from after."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from tests.factories import write_tiny_config
from tests.processes import run

TWO_GPUS = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs, one for each process")
DEEPSPEED = pytest.mark.skipif(find_spec("deepspeed") is None, reason="deepspeed is not installed")


@pytest.mark.parametrize(
    ("strategy", "precision"),
    [
        pytest.param("fsdp", "bf16-mixed", marks=TWO_GPUS),
        pytest.param("deepspeed", "bf16-mixed", marks=DEEPSPEED),
        pytest.param("deepspeed", "16-mixed", marks=DEEPSPEED),
    ],
)
def test_weights_that_are_shared_out_train_resume_and_are_sampled_from(
    strategy: str, precision: str, pictures_table: Path, tmp_path: Path
) -> None:
    devices = 2 if strategy == "fsdp" else 1
    compute = ("accelerator=cuda", f"strategy={strategy}", f"precision={precision}", f"num_devices={devices}")
    settings = [word for key in compute for word in ("--set", f"compute.{key}")]
    model = tmp_path / "model"
    # Each start takes half a minute on a slow machine.
    for epochs, mode in ((2, "--reset"), (3, "--resume"))[: 2 if precision == "bf16-mixed" else 1]:
        config = write_tiny_config(tmp_path / "config.yaml", "ddpm", [16, 16], epochs=epochs)
        words = ("-c", config, "-dt", pictures_table, "-m-dir", model, "-vr", "0.25", *settings, mode)
        out, err = run("train", *words)
        assert strategy == "fsdp" or "--resume" in words or "model_config.ema_decay: 0.0" in out + err

    out, _ = run("generate", "-m-dir", model, "-n", "2")

    assert len(list(Path(out.split()[-1]).glob("generated_image*"))) >= 2
