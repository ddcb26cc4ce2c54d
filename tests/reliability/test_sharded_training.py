"""Processes that share a model's weights: they train the model that one process trains, and hold a part of it each."""

from pathlib import Path
from typing import Any

import pytest
from tests.process_group import SGD, Job, Weights, distance, held_bytes, last_of, run_jobs, shares, weights_of
from tests.runs import train

from gandlf_synth import registry
from gandlf_synth.errors import CheckpointError
from gandlf_synth.models.checkpoint import load_module, read_checkpoint
from gandlf_synth.models.stored_averages import load_average

ROUNDING = 1e-4
BF16_ROUNDING = 2**-8
"""Half of the last of its 8 binary digits: sums of products in another order round to neighbours."""
DDP = {"strategy": "ddp", "num_devices": 2}
FAMILIES = [name for name in registry.names("models") if name != "latent_diffusion"]
"""Its denoiser is that of ddpm, and the first process writes its latents into a folder that these do not share."""
VARIANTS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "accumulation": ("ddpm", {}, {"accumulate_grad_batches": 2}),
    "accumulation in turns": ("dcgan", {}, {"accumulate_grad_batches": 2}),
    "clipping by value": ("ddpm", {}, {"gradient_clip_val": 1e-3, "gradient_clip_algorithm": "value"}),
    "bf16": ("ddpm", {"precision": "bf16-mixed"}, {}),
    "adam": ("ddpm", {}, {"optimizers": {"name": "adam", "lr": 1e-3, "eps": 1e-3}}),
}
"""What a training may do besides: the family, and its settings."""


def alone(root: Path, family: str, **options: Any) -> Path:
    """Train in this process; return the checkpoint."""
    return train(family, root, **{"section": SGD, "samples": 12, **options}).folder.last


def averages(path: Path) -> Weights:
    return read_checkpoint(path)["state_dict"]


def test_two_processes_train_the_model_of_one_and_hold_half_of_it_each(tmp_path: Path) -> None:
    split, ddp, shared = (
        Job("split", "ddpm", shares(1, 2)),
        Job("ddp", "dcgan", DDP),
        Job("shared", "dcgan", shares(2, 1)),
    )
    run_jobs(tmp_path, [split, ddp, shared])

    one = alone(tmp_path / "one", "ddpm")

    assert distance(averages(one), weights_of(tmp_path, "split")) < ROUNDING
    assert distance(weights_of(tmp_path, "ddp"), weights_of(tmp_path, "shared")) < ROUNDING
    held = [held_bytes(tmp_path, rank, "shared") for rank in (0, 1)]
    assert max(held) < 0.6 * held_bytes(tmp_path, 0, "ddp")


@pytest.mark.slow
def test_every_family_trains_the_same_model_shared_or_whole(tmp_path: Path) -> None:
    ways = {"whole": DDP, "shared": shares(2, 1)}
    run_jobs(tmp_path, [Job(f"{family} {way}", family, ways[way]) for family in FAMILIES for way in ways])

    distances = {name: distance(*(weights_of(tmp_path, f"{name} {way}") for way in ways)) for name in FAMILIES}

    assert max(distances.values()) < ROUNDING, distances


@pytest.mark.slow
def test_one_process_goes_on_with_the_training_of_two(tmp_path: Path) -> None:
    run_jobs(tmp_path, [Job("split", "ddpm", shares(1, 2))])
    checkpoints = {"from one": alone(tmp_path / "one", "ddpm"), "from two": last_of(tmp_path, "split")}

    goes_on = [alone(tmp_path / name, "ddpm", epochs=3, resume_from=path) for name, path in checkpoints.items()]

    assert distance(*map(averages, goes_on)) < ROUNDING


@pytest.mark.slow
def test_every_variant_of_a_training_ends_the_same_shared_or_whole(tmp_path: Path) -> None:
    ways = {"whole": DDP, "shared": shares(2, 1)}
    jobs = [
        Job(f"{name} {way}", family, {**ways[way], **compute}, {"section": {**SGD, **section}})
        for name, (family, compute, section) in VARIANTS.items()
        for way in ways
    ]
    run_jobs(tmp_path, jobs)

    distances = {name: distance(*(weights_of(tmp_path, f"{name} {way}") for way in ways)) for name in VARIANTS}

    assert distances.pop("bf16") < BF16_ROUNDING
    assert max(distances.values()) < ROUNDING, distances


@pytest.mark.slow
def test_two_by_two_processes_train_the_model_of_two_and_others_go_on_with_it(tmp_path: Path) -> None:
    longer = {"epochs": 3}
    run_jobs(tmp_path, [Job("whole", "ddpm", DDP), Job("longer", "ddpm", DDP, longer, resumes="whole")])
    four = [
        Job("four", "ddpm", shares(2, 2)),
        Job("longer in four", "ddpm", shares(2, 2), longer, resumes="whole"),
        Job("longer after four", "ddpm", shares(2, 2), longer, resumes="four"),
    ]
    run_jobs(tmp_path, four, processes=4)

    assert distance(weights_of(tmp_path, "whole"), weights_of(tmp_path, "four")) < ROUNDING
    for name in ("longer in four", "longer after four"):
        assert distance(weights_of(tmp_path, "longer"), weights_of(tmp_path, name)) < ROUNDING


@pytest.mark.slow
def test_averages_of_several_widths_are_the_same_shared_or_whole_and_go_on_both_ways(tmp_path: Path) -> None:
    widths = {"section": {**SGD, "ema_widths": [0.05, 0.2]}}
    longer = {**widths, "epochs": 3}
    jobs = [
        Job("whole", "ddpm", DDP, widths),
        Job("shared", "ddpm", shares(2, 1), widths),
        Job("whole after shared", "ddpm", DDP, longer, resumes="shared"),
        Job("shared after whole", "ddpm", shares(2, 1), longer, resumes="whole"),
    ]
    run_jobs(tmp_path, jobs)

    for width in (0.05, 0.2):
        ends = [load_average(last_of(tmp_path, job.name), width).state_dict() for job in jobs]
        assert distance(*ends[:2]) < ROUNDING
        assert distance(*ends[2:]) < ROUNDING


@pytest.mark.slow
def test_a_checkpoint_without_the_folder_of_its_weights_is_named(tmp_path: Path) -> None:
    run_jobs(tmp_path, [Job("shared", "ddpm", shares(2, 1))])
    last = last_of(tmp_path, "shared")
    assert load_module(last).config.model_name == "ddpm"
    (folder,) = last.parent.glob("last.shards-*")

    next(folder.glob("shard-00002*")).unlink()
    with pytest.raises(CheckpointError, match="lacks weights of its checkpoint, or is damaged"):
        load_module(last)

    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match=rf"has its weights in {folder.name}, which is not beside it; copy"):
        load_module(last)
