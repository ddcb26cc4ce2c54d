"""A conditioner of one's own: age from a column of the CSV, in one file."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.factories import Cli

from gandlf_synth import registry
from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.models.checkpoint import load_module
from gandlf_synth.models.sampling import sample_batches

PLUGIN = """
from gandlf_synth.data.loading.conditioners import Conditioner
from gandlf_synth.errors import DataError, Problem, raise_if_any
from gandlf_synth.registry import register


@register("conditioners", "years")
class Years(Conditioner):
    '''A number of years, as a share of the largest in the training rows.'''

    kind = "vector"
    column: str

    def fit(self, train):
        texts = {sample: sample.extra[self.column] for sample in train.samples if sample.extra[self.column]}
        wrong = [self.problem(train, sample) for sample, text in texts.items() if not text.isdigit()]
        raise_if_any(wrong, DataError)
        return 1, {"largest": max(float(text) for text in texts.values())}

    def encode(self, sample, facts):
        text = sample.extra[self.column]
        return [float(text) / facts["largest"]] if text else None

    def problem(self, train, sample):
        where = f"{train.path} row {sample.row}, column {self.column}"
        return Problem(where, f"is {sample.extra[self.column]!r}", "a whole number, or nothing where it is unknown")
"""

CONFIG = """
model_config:
  model_name: {family}
  tensor_shape: [8, 8]
  conditioning: [{{years: {{column: age}}}}]
  {architecture}
num_epochs: {epochs}
"""
SMALL = (
    "architecture: {num_channels: [8, 8], attention_levels: [false, false], num_res_blocks: [1, 1], norm_num_groups: 4}"
)


@pytest.fixture(autouse=True)
def _forget_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


def write_data(folder: Path, ages: list[str]) -> Path:
    rng = np.random.default_rng(0)
    table = folder / "data.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["SubjectID", "Channel_0", "age"])
        for number, age in enumerate(ages):
            level = float(age) if age.isdigit() else 40.0
            picture = np.clip(rng.normal(2 * level, 5, (8, 8)), 0, 255).astype(np.uint8)
            Image.fromarray(picture).save(folder / f"{number}.png")
            rows.writerow([f"subject{number}", f"{number}.png", age])
    return table


def write_config(folder: Path, family: str, architecture: str = SMALL, epochs: int = 1) -> Path:
    (folder / "years.py").write_text(PLUGIN)
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(family=family, architecture=architecture, epochs=epochs))
    return config


@pytest.mark.parametrize("family", ["ddpm", "flow_matching"])
def test_a_column_conditions_the_images_through_one_file(cli: Cli, tmp_path: Path, family: str) -> None:
    table = write_data(tmp_path, ["20", "60", "80", "", "30", "70", "25", "65"])
    config, model = write_config(tmp_path, family, epochs=20), tmp_path / "model"
    plugin = ("--plugin", tmp_path / "years.py")

    code, _, err = cli("train", "-c", config, "-dt", table, "-m-dir", model, *plugin)
    assert code == 0, err
    code, out, err = cli("generate", "-m-dir", model, "-n", 2, *plugin)
    assert code == 0, err

    assert len(list(Path(out.strip()).glob("generated_image_*"))) == 4  # two images, two sidecars
    module = load_module(model / "checkpoints" / "last.ckpt").eval()
    assert module.spec.parts[0].facts == {"largest": 80.0}

    def image_of(condition: Condition) -> torch.Tensor:
        return next(sample_batches(module, [([7], condition)], SamplingOptions()))

    young, old = (image_of(Condition({"age": torch.tensor([[age, 1.0]])})) for age in (0.25, 1.0))
    assert not torch.equal(young, old)
    assert not torch.equal(image_of(Condition()), old)


def test_a_cell_that_is_no_number_is_named_before_training(cli: Cli, tmp_path: Path) -> None:
    table = write_data(tmp_path, ["20", "sixty", "80", "30"])
    config, model = write_config(tmp_path, "ddpm"), tmp_path / "model"

    code, _, err = cli("train", "-c", config, "-dt", table, "-m-dir", model, "--plugin", tmp_path / "years.py")

    assert code == 3
    assert "row 2, column age: is 'sixty'" in err
    assert not model.exists()


def test_a_family_that_cannot_take_it_says_which_can(cli: Cli, tmp_path: Path) -> None:
    table, config = write_data(tmp_path, ["20", "60", "80", "30"]), write_config(tmp_path, "dcgan", "")
    plugin = ("--plugin", tmp_path / "years.py")

    code, _, err = cli("train", "-c", config, "-dt", table, "-m-dir", tmp_path / "model", *plugin)

    assert code == 2
    assert "config.yaml:5: model_config.conditioning.0" in err
    assert "gives a network a vector, which dcgan does not take" in err
    assert "ddpm" in err
    assert "flow_matching" in err


@pytest.mark.parametrize(
    ("written", "message"),
    [("[nothing_such]", "unknown name 'nothing_such' in conditioners"), ("[{years: {col: age}}]", "column")],
)
def test_a_wrong_name_or_parameter_is_named_with_its_line(cli: Cli, tmp_path: Path, written: str, message: str) -> None:
    config = write_config(tmp_path, "ddpm")
    config.write_text(config.read_text().replace("[{years: {column: age}}]", written))

    code, _, err = cli("config", "show", "-c", config, "--plugin", tmp_path / "years.py")

    assert code == 2
    assert message in err
    assert "config.yaml:5" in err
