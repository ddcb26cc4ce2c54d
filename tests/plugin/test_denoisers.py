"""A denoiser of one's own, in one file, for every family that undoes noise."""

from pathlib import Path

import pytest
from tests.factories import Cli

from gandlf_synth import registry
from gandlf_synth.config import json_schema, parse_document, validate
from gandlf_synth.errors import ConfigError
from gandlf_synth.models.checkpoint import load_module

PLUGIN = """
import torch
from pydantic import Field
from torch import nn

from gandlf_synth.models.components.denoiser_config import DenoiserArchitecture
from gandlf_synth.registry import register


class Network(nn.Module):
    def __init__(self, spatial_dims, in_channels, out_channels, num_classes, vector_size, width):
        super().__init__()
        convolution = nn.Conv2d if spatial_dims == 2 else nn.Conv3d
        self.first = convolution(in_channels, width, 3, padding=1)
        self.last = convolution(width, out_channels, 3, padding=1)
        self.classes = nn.Embedding(num_classes + 1, width)
        self.vector = nn.Linear(vector_size + 1, width)

    def forward(self, noisy, timesteps, class_labels=None, vector=None, channels=None):
        unknown = self.classes.num_embeddings - 1
        labels = torch.full_like(timesteps, unknown).long() if class_labels is None else class_labels
        known = noisy.new_zeros(len(noisy), self.vector.in_features - 1) if vector is None else vector
        numbers = torch.cat([known, timesteps.to(noisy)[:, None] / 1000], 1)
        added = self.classes(torch.where(labels < 0, unknown, labels)) + self.vector(numbers)
        features = self.first(noisy) + added.view(*added.shape, *(1,) * (noisy.ndim - 2))
        return self.last(torch.relu(features)).float()


@register("denoisers", "two_layers")
class TwoLayers(DenoiserArchitecture):
    '''Two convolutions; time, class and numbers are added between them.'''

    width: int = Field(8, ge=1)
    '''Features between the convolutions.'''

    def build(
        self, *, spatial_dims, in_channels, out_channels, num_classes=0, vector_size=0, condition_channels=0
    ):
        return Network(spatial_dims, in_channels + condition_channels, out_channels, num_classes, vector_size, self.width)
"""

DDPM = (
    "{model_name: ddpm, architecture: {denoiser: two_layers, width: 4, num_train_timesteps: 10}, num_inference_steps: 2"
)
FLOW = "{model_name: flow_matching, architecture: {denoiser: two_layers, width: 4}, num_inference_steps: 2"
LATENT = """{model_name: latent_diffusion, first_stage: {model_name: autoencoder_kl, architecture: {num_channels: [8, 8],
  num_res_blocks: 1, norm_num_groups: 4, latent_channels: 2, discriminator_channels: 4}},
  second_stage: {architecture: {denoiser: two_layers, width: 4, num_train_timesteps: 10}, num_inference_steps: 2}"""


@pytest.fixture(autouse=True)
def _forget_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "my_denoiser.py"
    path.write_text(PLUGIN)
    return path


@pytest.mark.parametrize("section", [DDPM, FLOW, LATENT], ids=["ddpm", "flow_matching", "latent_diffusion"])
def test_a_denoiser_of_one_file_serves_every_family(
    cli: Cli, pictures_table: Path, plugin: Path, tmp_path: Path, section: str
) -> None:
    config, model = tmp_path / "config.yaml", tmp_path / "model"
    config.write_text(f"model_config: {section}, tensor_shape: [8, 8]}}\nnum_epochs: 2\nbatch_size: 4\n")

    code, _, err = cli("train", "-c", config, "-dt", pictures_table, "-m-dir", model, "--plugin", plugin)
    assert code == 0, err
    code, out, err = cli("generate", "-m-dir", model, "-n", 2, "--plugin", plugin)
    assert code == 0, err
    code, _, err = cli("export", "-m-dir", model, "--format", "torchscript", "-o", tmp_path / "x", "--plugin", plugin)
    assert code == 0, err

    assert len(list(Path(out.strip()).glob("generated_image_*.tiff"))) == 2
    weights = load_module(model / "checkpoints" / "last.ckpt").state_dict()
    assert weights["process.denoiser.first.weight"].shape[0] == 4


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("{denoiser: two_layers, wdith: 4}", "c.yaml:3: model_config.architecture.wdith: unknown key"),
        ("{denoiser: two_layers, wdith: 4}", "allowed: denoiser, width, num_train_timesteps, num_eval_timesteps"),
        ("{denoiser: two_layers, wdith: 4}", "did you mean 'width'?"),
        ("{denoiser: two_layers, width: 0}", "c.yaml:3: model_config.architecture.width: 0 is not valid"),
        ("{denoiser: two_layers, num_channels: [8]}", "model_config.architecture.num_channels: unknown key"),
        (
            "{denoiser: two_layer}",
            "c.yaml:3: model_config.architecture.denoiser: unknown name 'two_layer' in denoisers",
        ),
        ("{denoiser: 3}", "model_config.architecture.denoiser: 3 is not valid"),
    ],
)
def test_a_wrong_key_of_a_denoiser_is_named_with_its_line(plugin: Path, architecture: str, message: str) -> None:
    registry.load_plugin(plugin)
    text = f"model_config:\n  model_name: ddpm\n  architecture: {architecture}\n"

    with pytest.raises(ConfigError) as caught:
        validate(parse_document(text, "c.yaml"))

    assert message in str(caught.value)


def test_what_is_written_is_what_is_read_again(plugin: Path) -> None:
    registry.load_plugin(plugin)
    first = validate(parse_document(f"model_config: {DDPM}}}\n", "c.yaml")).config.model

    again = type(first).model_validate(first.model_dump(mode="json"))

    assert again == first
    assert first.model_dump(mode="json")["architecture"] == {
        "denoiser": "two_layers",
        "width": 4,
        "num_train_timesteps": 10,
        "num_eval_timesteps": None,
    }


def test_editors_know_the_keys_of_the_denoiser_that_is_named(plugin: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    registry.load_plugin(plugin)
    validator = jsonschema.Draft202012Validator(json_schema())

    def is_valid(architecture: dict[str, object]) -> bool:
        return bool(validator.is_valid({"model_config": {"model_name": "ddpm", "architecture": architecture}}))

    assert is_valid({"denoiser": "two_layers", "width": 4, "num_train_timesteps": 10})
    assert is_valid({"num_channels": [32], "attention_levels": [False], "num_res_blocks": 1})
    assert not is_valid({"denoiser": "two_layers", "num_channels": [32]})
    assert not is_valid({"width": 4})
