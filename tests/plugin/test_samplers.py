"""A sampler of one's own, in one file: for diffusion, for flow matching and on the command line."""

import json
from pathlib import Path

import pytest
from PIL import Image
from tests.factories import Cli, TinyConfig

from gandlf_synth import registry

PLUGIN = """
from gandlf_synth.diffusion.samplers.base import ddim_step, only_for
from gandlf_synth.registry import register


@register("samplers", "jitter")
@only_for("diffusion")
def jitter(predict, noise, transitions, fresh_noise):
    '''DDIM from noise that is made anew in every step, all but the last.'''
    noisy = noise
    for start, end in transitions:
        clean = predict(noisy, start)
        noisy = end.signal * clean + end.sigma * fresh_noise() if end.sigma > 0 else clean
    return noisy


@register("samplers", "straight_down")
def straight_down(predict, noise, transitions, fresh_noise):
    '''One step of DDIM after another; right for every path.'''
    noisy = noise
    for start, end in transitions:
        noisy = ddim_step(noisy, predict(noisy, start), start, end)
    return noisy
"""


@pytest.fixture(autouse=True)
def _forget_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


@pytest.fixture
def plugin(tmp_path: Path) -> tuple[object, ...]:
    (tmp_path / "my_samplers.py").write_text(PLUGIN)
    return ("--plugin", tmp_path / "my_samplers.py")


def pictures_of(cli: Cli, *words: object) -> list[bytes]:
    code, out, err = cli("generate", "-n", 2, *words)
    assert code == 0, err
    return [Image.open(path).tobytes() for path in sorted(Path(out.strip()).glob("*.tiff"))]


def test_a_sampler_of_one_file_is_named_in_the_yaml_and_on_the_command_line(
    cli: Cli, tiny_config: TinyConfig, pictures_table: Path, plugin: tuple[object, ...], tmp_path: Path
) -> None:
    config, model = tiny_config([8, 8]), tmp_path / "model"
    named = ("--set", "model_config.sampler=jitter")

    code, _, err = cli("train", "-c", config, "-dt", pictures_table, "-m-dir", model, *named, *plugin)
    assert code == 0, err
    by_yaml = pictures_of(cli, "-m-dir", model, "-i-dir", tmp_path / "yaml", *plugin)
    again = pictures_of(cli, "-m-dir", model, "-i-dir", tmp_path / "again", *plugin, "--batch-size", 2)
    by_flag = pictures_of(cli, "-m-dir", model, "-i-dir", tmp_path / "flag", *plugin, "--sampler", "straight_down")
    built_in = pictures_of(cli, "-m-dir", model, "-i-dir", tmp_path / "ddim", *plugin, "--sampler", "ddim")

    assert by_yaml == again
    assert by_flag == built_in
    record = json.loads(next((tmp_path / "yaml").rglob("generated_image_*.json")).read_text())
    assert record["sampling"]["sampler"] == "jitter"


def test_a_model_of_a_sampler_that_is_missing_says_which(
    cli: Cli,
    tiny_config: TinyConfig,
    pictures_table: Path,
    plugin: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ("-dt", pictures_table, "-m-dir", tmp_path / "model", *plugin, "--set", "model_config.sampler=jitter")
    code, _, err = cli("train", "-c", tiny_config([8, 8]), *words)
    assert code == 0, err
    monkeypatch.setattr(registry, "_registered", {})

    code, _, err = cli("generate", "-m-dir", tmp_path / "model")

    assert code in (2, 4)
    assert "unknown name 'jitter' in samplers" in err


@pytest.mark.parametrize(
    ("family", "name", "message"),
    [
        ("flow_matching", "jitter", "the sampler 'jitter' is not made for the straight paths of flow matching"),
        ("flow_matching", "ddpm", "allowed: dpmpp_2m, euler, heun, straight_down, unipc"),
        ("ddpm", "euler", "the sampler 'euler' is not made for the paths of diffusion"),
        ("ddpm", "jiter", "unknown name 'jiter' in samplers"),
        ("ddpm", "jiter", "did you mean 'jitter'?"),
    ],
)
def test_a_sampler_that_cannot_be_used_is_named_with_its_line(
    cli: Cli, plugin: tuple[object, ...], tmp_path: Path, family: str, name: str, message: str
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"model_config:\n  model_name: {family}\n  sampler: {name}\nnum_epochs: 1\n")

    code, _, err = cli("config", "show", "-c", config, *plugin)

    assert code == 2
    assert "config.yaml:3: model_config.sampler" in err
    assert message in err


def test_one_that_serves_every_path_serves_flow_matching(cli: Cli, plugin: tuple[object, ...], tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("model_config: {model_name: flow_matching, sampler: straight_down}\n")

    assert cli("config", "show", "-c", config, *plugin)[0] == 0


@pytest.mark.parametrize("section", ["inference_parameters", "sample_metrics_config"])
def test_a_wrong_sampler_of_a_section_is_named_before_training(
    cli: Cli, plugin: tuple[object, ...], tmp_path: Path, section: str
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"model_config: {{model_name: ddpm}}\n{section}:\n  sampler: jiter\n")

    code, _, err = cli("config", "show", "-c", config, *plugin)

    assert code == 2
    assert f"config.yaml:3: {section}.sampler: unknown name 'jiter' in samplers" in err
    assert "did you mean 'jitter'?" in err
