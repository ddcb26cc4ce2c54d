"""Every configuration that we ship, and the kinds that users of the existing GaNDLF-Synth have, validate."""

from pathlib import Path
from typing import Any

import pytest

from gandlf_synth.config import load_config, parse_document, validate
from gandlf_synth.data.table.manifest import read_manifest

CONFIGS = Path(__file__).parents[2] / "configs"
SHIPPED = sorted(CONFIGS.glob("*.yaml"))
TASKS = sorted(CONFIGS.glob("tasks/*.yaml"))

EXISTING = """\
# In the style of a configuration for the existing GaNDLF-Synth: every section written out.
batch_size: 1
num_epochs: 2
patience: 0
in_memory: false
verbose: true
version: {minimum: 0.0.14, maximum: 0.0.20-dev}
modality: rad
save_model_every_n_epochs: 1
data_augmentation: {}
data_postprocessing: {}
data_preprocessing:
  train: {resize: [16, 16]}
  val: {resize: [16, 16]}
  test: {resize: [16, 16]}
  inference: {resize: [16, 16]}
dataloader_config:
  train: {num_workers: 0, pin_memory: false, shuffle: true, drop_last: false}
  validation: {num_workers: 0, pin_memory: false, shuffle: false, drop_last: false}
  test: {num_workers: 0, pin_memory: false, shuffle: false, drop_last: false}
  inference: {num_workers: 0, pin_memory: false, shuffle: false, drop_last: false}
inference_parameters: {batch_size: 1, n_images_to_generate: 1}
model_config:
  model_name: ddpm
  labeling_paradigm: unlabeled
  converter_type: soft
  norm_type: batch
  n_channels: 2
  n_dimensions: 2
  tensor_shape: [16, 16]
  losses: {name: mse}
  optimizers: {name: adam, lr: 0.0001}
  schedulers: {type: triangle, step_size: 2}
  architecture: {num_train_timesteps: 1, num_eval_timesteps: 1}
"""


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_configuration_is_valid(path: Path) -> None:
    assert load_config(path).config.model.model_name in path.name


def test_a_configuration_of_the_existing_tool_is_valid() -> None:
    config: Any = validate(parse_document(EXISTING, "existing.yaml")).config

    assert config.model.architecture.num_eval_timesteps == 1
    assert config.model.schedulers.name == "triangle"
    assert config.dataloader_config.val.shuffle is False


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.name)
def test_a_task_takes_eight_lines_at_most(path: Path) -> None:
    config = load_config(path).config

    written = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    assert len(written) <= 8
    assert config.model.conditioning


@pytest.mark.parametrize(
    "path", [*CONFIGS.glob("*.csv"), *CONFIGS.glob("tasks/*.csv")], ids=lambda path: path.parent.name
)
def test_sample_table_is_read(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    copy.write_text(path.read_text())
    for cell in path.read_text().replace("\n", ",").split(","):
        if cell.endswith(".nii.gz"):
            (tmp_path / cell).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / cell).touch()

    samples = read_manifest(copy).samples

    assert {sample.subject for sample in samples} >= {"patient_001", "patient_002", "patient_003"}
    assert all(sample.named_files for sample in samples)
