"""``init --model`` writes, for every family, a project that ``check`` lets pass."""

from pathlib import Path

import pytest
from tests.factories import Cli, add_sources

from gandlf_synth import registry
from gandlf_synth.config import load_config

SIZES = {"pictures": 24, "volumes": 16}
"""The longest side of the fixtures, up to the next multiple of 8."""


@pytest.mark.parametrize("data", SIZES)
@pytest.mark.parametrize("family", sorted(registry.entries("models")))
def test_every_family_gets_a_project_that_fits_the_data(
    cli: Cli, request: pytest.FixtureRequest, tmp_path: Path, family: str, data: str
) -> None:
    images: Path = request.getfixturevalue(data)
    project = tmp_path / "project"

    code, _, err = cli("init", images, "-o", project, "--model", family)
    assert code == 0, err
    if registry.load("models", family).config_class().required_kind:
        add_sources(project / "data.csv")
    config = load_config(project / "config.yaml").config
    code, out, err = cli("check", "-c", project / "config.yaml", "-dt", project / "data.csv", "--fast")

    assert code == 0, out + err
    assert max(config.model.tensor_shape) == SIZES[data]
    assert config.model.network_size == "auto"
    assert " # " in (project / "config.yaml").read_text().split("model_config:")[1].split("num_epochs")[0]
