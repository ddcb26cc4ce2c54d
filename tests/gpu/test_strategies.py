"""Strategies that share the weights out, on the one device there is: with clipping, resumed, and sampled from after."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.factories import write_tiny_config
from tests.processes import run

SHARDED = [
    "fsdp",
    pytest.param(
        "deepspeed", marks=pytest.mark.skipif(find_spec("deepspeed") is None, reason="deepspeed is not installed")
    ),
]


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("strategy", SHARDED)
def test_weights_that_are_shared_out_train_resume_and_are_sampled_from(
    strategy: str, precision: str, pictures_table: Path, tmp_path: Path
) -> None:
    compute = ("accelerator=cuda", f"strategy={strategy}", f"precision={precision}", "num_devices=1")
    settings = [word for key in compute for word in ("--set", f"compute.{key}")]
    model = tmp_path / "model"
    # Each start takes half a minute on a slow machine.
    for epochs, mode in ((2, "--reset"), (3, "--resume"))[: 2 if precision == "bf16-mixed" else 1]:
        config = write_tiny_config(tmp_path / "config.yaml", "ddpm", [16, 16], epochs=epochs)
        words = ("-c", config, "-dt", pictures_table, "-m-dir", model, "-vr", "0.25", *settings, mode)
        out, err = run("train", *words)
        assert "--resume" in words or "model_config.ema_decay: 0.0" in out + err

    out, _ = run("generate", "-m-dir", model, "-n", "2")

    assert len(list(Path(out.split()[-1]).glob("generated_image*"))) >= 2
