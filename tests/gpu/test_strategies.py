"""Strategies that share the weights out, on GPUs: with clipping, resumed, and sampled from after."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.factories import write_tiny_config
from tests.process_group import SGD, Weights, distance
from tests.processes import run, torchrun
from tests.runs import Run, train

from gandlf_synth.models.checkpoint import read_checkpoint
from gandlf_synth.training import fit

TWO_GPUS = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs, one for each process")
DEEPSPEED = pytest.mark.skipif(find_spec("deepspeed") is None, reason="deepspeed is not installed")


@pytest.mark.parametrize(
    ("strategy", "precision"),
    [
        pytest.param("fsdp", "bf16-mixed", marks=TWO_GPUS),
        pytest.param("deepspeed", "bf16-mixed", marks=DEEPSPEED),
        pytest.param("deepspeed", "32-true", marks=DEEPSPEED),
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


@pytest.mark.parametrize("family", ["ddpm", "dcgan"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_group_of_one_gpu_trains_the_model_that_is_not_shared(
    family: str, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With clipping by norm and an average of the weights, through nccl; ``compute`` refuses a group of one."""
    options: dict[str, Any] = {"samples": 12, "section": {**SGD, "gradient_clip_val": 0.1}}
    compute = {"accelerator": "cuda", "precision": precision, "deterministic": True}
    whole = train(family, tmp_path / "whole", compute=compute, **options)
    monkeypatch.setattr(fit, "strategy_for", _group_of_one)
    compute["strategy"] = "fsdp"

    shared = train(family, tmp_path / "shared", compute=compute, **options)
    longer = train(family, tmp_path / "longer", compute=compute, **options, epochs=3, resume_from=shared.folder.last)

    assert longer.result.steps == 9
    assert distance(_average(whole), _average(shared)) < (1e-4 if precision == "32-true" else 2**-8)


@DEEPSPEED
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_deepspeed_trains_and_resumes_the_model_of_other_strategies(precision: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"samples": 12, "section": {**SGD, "gradient_clip_val": 0.1, "ema_decay": 0.0}}
    ways: dict[str, dict[str, Any]] = {"whole": {}, "shared": {"strategy": "deepspeed"}}
    ends = []
    for name, strategy in ways.items():
        compute = {"accelerator": "cuda", "precision": precision, **strategy}
        first = train("ddpm", tmp_path / name, compute=compute, **options)
        longer = train(
            "ddpm", tmp_path / f"{name} longer", compute=compute, **options, epochs=3, resume_from=first.folder.last
        )
        ends.append(longer)

    assert [run.result.steps for run in ends] == [9, 9]
    assert distance(*map(_average, ends)) < (1e-4 if precision == "32-true" else 2**-8)


def test_one_process_of_torchrun_trains_through_nccl(pictures_table: Path, tmp_path: Path) -> None:
    config = write_tiny_config(tmp_path / "config.yaml", "ddpm", [16, 16], epochs=1)
    words = ("-c", config, "-dt", pictures_table, "-m-dir", tmp_path / "model")

    run(
        "train", *words, "--set", "compute.accelerator=cuda", "--set", "compute.strategy=ddp",
        launcher=torchrun(1),
    )  # fmt: skip

    assert (tmp_path / "model" / "checkpoints" / "last.ckpt").is_file()


def _group_of_one(_compute: object, **_options: object) -> object:
    from gandlf_synth.training.sharded_strategy import ShardedStrategy

    return ShardedStrategy(1, 1)


def _average(run: Run) -> Weights:
    return read_checkpoint(run.folder.last)["state_dict"]
