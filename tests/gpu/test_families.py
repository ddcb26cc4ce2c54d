"""Every family on a GPU: it trains, resumes and samples in every number format, deterministic and compiled."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.runs import Run, train

from gandlf_synth import registry
from gandlf_synth.config.sampling import SamplingOptions
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.checkpoint import load_module
from gandlf_synth.testing import synthetic_condition

FAMILIES = sorted(registry.names("models"))
FAR = {"stylegan": 1e-3}
"""How far an image may be from the CPU's, in [-1, 1], where convolutions are in 32 bits; 1e-4 for the others."""
WITHOUT_PENALTY = {
    "stylegan2": {"r1_gamma": 0, "path_length_weight": 0},
    "vqvae": {"prior_fraction": 0.5},
    "stylegan": None,
}

families = pytest.mark.parametrize("family", FAMILIES)
dims_2_and_3 = pytest.mark.parametrize("dims", [2, 3])


def on_gpu(family: str, root: Path, **options: Any) -> Run:
    options["compute"] = {"accelerator": "cuda", **options.get("compute", {})}
    return train(family, root, **options)


def images_of(run: Run, device: str) -> dict[str, torch.Tensor]:
    """Samples and, where the family makes them, reconstructions of these."""
    module = load_module(run.folder.last).eval().to(device)
    condition = synthetic_condition(module.spec, 3).to(device)
    with torch.inference_mode():
        made = {"samples": module.sample((11, 12, 13), condition, SamplingOptions())}
        if type(module).reconstruct is not GenerativeModule.reconstruct:
            made["reconstructions"] = module.reconstruct(made["samples"], condition)
    return {name: images.cpu() for name, images in made.items()}


@families
@dims_2_and_3
@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_trains_resumes_and_samples_in_16_bits(family: str, dims: int, precision: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"dims": dims, "compute": {"precision": precision}}
    first = on_gpu(family, tmp_path, epochs=1, **options)

    run = on_gpu(family, tmp_path, epochs=2, resume_from=first.folder.last, **options)

    assert run.result.steps == 4
    for images in images_of(run, "cuda").values():
        assert bool(torch.isfinite(images).all())
        assert float(images.abs().max()) <= 1


@families
@dims_2_and_3
def test_images_of_the_cpu_and_the_gpu_agree(family: str, dims: int, tmp_path: Path) -> None:
    run = on_gpu(family, tmp_path, dims=dims)
    torch.backends.cudnn.allow_tf32 = False

    ours, theirs = images_of(run, "cuda"), images_of(run, "cpu")

    for name, images in ours.items():
        torch.testing.assert_close(images, theirs[name], rtol=0, atol=FAR.get(family, 1e-4))


@families
@dims_2_and_3
def test_deterministic_runs_are_equal_and_so_is_one_that_was_resumed(family: str, dims: int, tmp_path: Path) -> None:
    constant_rate = {"lr_cooldown_fraction": 0}  # the half knows of one epoch only
    options: dict[str, Any] = {"dims": dims, "compute": {"deterministic": True}, "section": constant_rate}

    whole, again = (on_gpu(family, tmp_path / name, **options) for name in ("whole", "again"))
    half = on_gpu(family, tmp_path / "resumed", epochs=1, **options)
    resumed = on_gpu(family, tmp_path / "resumed", epochs=2, resume_from=half.folder.last, **options)

    weights = [load_module(run.folder.last).state_dict() for run in (whole, again, resumed)]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), f"{name} differs between equal runs"
        assert torch.equal(value, weights[2][name]), f"{name} differs after resuming"


@pytest.mark.parametrize("family", [name for name in FAMILIES if WITHOUT_PENALTY.get(name, {}) is not None])
def test_a_compiled_run_ends_near_one_that_is_not(family: str, tmp_path: Path) -> None:
    section = WITHOUT_PENALTY.get(family)

    plain, compiled = (
        on_gpu(family, tmp_path / str(chosen), compute={"compile": chosen}, section=section) for chosen in (False, True)
    )

    losses = [run.result.metrics["val_loss"] for run in (plain, compiled)]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
