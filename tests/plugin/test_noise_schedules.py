"""A noise schedule of one's own, in one file."""

from pathlib import Path

import pytest
import torch
from tests.factories import Cli, TinyConfig

from gandlf_synth import registry
from gandlf_synth.models.checkpoint import load_module
from gandlf_synth.models.ddpm.module import DDPM

PLUGIN = """
import torch

from gandlf_synth.registry import register


@register("noise_schedules", "even")
def even(num_timesteps):
    '''The same variance in every step.'''
    return torch.full((num_timesteps,), 0.25, dtype=torch.float64)


@register("noise_schedules", "too_long")
def too_long(num_timesteps):
    return torch.zeros(num_timesteps + 1)
"""


@pytest.fixture(autouse=True)
def _forget_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


@pytest.fixture
def plugin(tmp_path: Path) -> tuple[object, ...]:
    (tmp_path / "my_schedules.py").write_text(PLUGIN)
    return ("--plugin", tmp_path / "my_schedules.py")


def test_a_schedule_of_one_file_trains_and_generates(
    cli: Cli, tiny_config: TinyConfig, pictures_table: Path, plugin: tuple[object, ...], tmp_path: Path
) -> None:
    config, model = tiny_config([8, 8]), tmp_path / "model"
    named = ("--set", "model_config.beta_schedule=even", "--set", "model_config.zero_terminal_snr=false")

    code, _, err = cli("train", "-c", config, "-dt", pictures_table, "-m-dir", model, *named, *plugin)
    assert code == 0, err
    code, out, err = cli("generate", "-m-dir", model, "-n", 2, *plugin)
    assert code == 0, err

    assert len(list(Path(out.strip()).glob("generated_image_*.tiff"))) == 2
    module = load_module(model / "checkpoints" / "last.ckpt")
    assert isinstance(module, DDPM)
    alphas_cumprod = module.process.schedule.alphas_cumprod
    assert torch.allclose(alphas_cumprod, 0.75 ** torch.arange(1, 11, dtype=torch.float64))


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("evne", 2, "unknown name 'evne' in noise_schedules"),
        ("too_long", 6, "noise_schedules.too_long: returns betas of shape (11,) from 0 to 0"),
    ],
)
def test_a_schedule_that_cannot_be_used_says_why(
    cli: Cli,
    tiny_config: TinyConfig,
    pictures_table: Path,
    plugin: tuple[object, ...],
    tmp_path: Path,
    name: str,
    code: int,
    message: str,
) -> None:
    words = ("train", "-c", tiny_config([8, 8]), "-dt", pictures_table, "-m-dir", tmp_path / "model", *plugin)

    found, _, err = cli(*words, "--set", f"model_config.beta_schedule={name}")

    assert found == code
    assert message in err
