"""Components of other people: in a file, and in an installed distribution."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.factories import TINY, Cli

from gandlf_synth import registry
from gandlf_synth.testing import check_model

INSTALLED = Path(__file__).with_name("installed")


@pytest.fixture
def _forget_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


def program(*words: object) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(INSTALLED), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path.rstrip(os.pathsep)}
    command = [sys.executable, "-m", "gandlf_synth", *(str(word) for word in words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("_forget_plugins")
def test_a_new_model_keeps_every_promise_and_trains_from_its_file(
    cli: Cli, pictures_table: Path, tmp_path: Path
) -> None:
    assert cli("new-model", "my_vae", "-o", tmp_path)[0] == 0
    config, model = tmp_path / "config.yaml", tmp_path / "model"
    config.write_text("{model_config: {model_name: my_vae, tensor_shape: [8, 8]}, num_epochs: 1}")
    plugin = ("--plugin", tmp_path / "my_vae.py")

    code, _, err = cli("train", "-c", config, "-dt", pictures_table, "-m-dir", model, *plugin)
    assert code == 0, err
    code, out, err = cli("generate", "-m-dir", model, "-n", 2, *plugin)
    assert code == 0, err

    assert len(list(Path(out.strip()).glob("generated_image_*.tiff"))) == 2
    check_model("my_vae", spatial_dims=3, paradigm="custom")


@pytest.mark.usefixtures("_forget_plugins")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_package", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_package'"),
        ("def broken(:", "cannot be loaded: SyntaxError"),
        ("from gandlf_synth.registry import register\nregister('losses', 'mse')(1)", "is the name of an installed"),
    ],
)
def test_a_plugin_that_cannot_be_used_says_why(cli: Cli, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.py").write_text(text)

    code, _, err = cli("--plugin", tmp_path / "mine.py", "models")

    assert code == 6
    assert message in err


def test_an_installed_distribution_is_found(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(TINY.format(shape=[8, 8]) + "")
    good = program("config", "show", "-c", config, "--set", "model_config.losses={charbonnier: {epsilon: 0.01}}")
    wrong = program("config", "show", "-c", config, "--set", "model_config.losses={charbonnier: {epsilon: -1}}")
    broken = program("config", "show", "-c", config, "--set", "model_config.losses=broken")
    misshapen = program("config", "show", "-c", config, "--set", "model_config.losses=misshapen")

    assert good.returncode == 0, good.stderr
    assert "charbonnier" in good.stdout
    assert (wrong.returncode, broken.returncode) == (2, 6)
    assert "epsilon" in wrong.stderr
    assert "broken of example-plugin: cannot be loaded from example_plugin:not_there" in broken.stderr
    assert misshapen.returncode == 6
    assert "losses.misshapen of example-plugin: is of type float; allowed: a function" in misshapen.stderr
