"""One small component of somebody else's in every group that the YAML names, in one file, through the command line."""

import json
from pathlib import Path

import pytest
from tests.factories import Cli, read_table

from gandlf_synth import registry
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.testing import (
    check_augmentation,
    check_feature_extractor,
    check_loss,
    check_optimizer,
    check_paired_metric,
    check_postprocessing,
    check_preprocessing,
    check_scheduler,
)

PLUGIN = '''
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import torchio
from pydantic import Field, PositiveFloat, PositiveInt
from torch import nn

from gandlf_synth.data.processing.base import Augmentation, Postprocessing, Transform
from gandlf_synth.metrics.extractors.base import Extractor
from gandlf_synth.registry import register


class Charbonnier(nn.Module):
    def __init__(self, epsilon, reduction):
        super().__init__()
        self.epsilon, self.reduction = epsilon, reduction

    def forward(self, output, target):
        error = ((output - target) ** 2 + self.epsilon**2).sqrt()
        return {"none": error, "mean": error.mean(), "sum": error.sum()}[self.reduction]


@register("losses", "charbonnier")
def charbonnier(*, epsilon: PositiveFloat = 1e-3, reduction: str = "mean"):
    return Charbonnier(epsilon, reduction)


@register("optimizers", "sign_descent")
class SignDescent(torch.optim.Optimizer):
    def __init__(self, parameters, /, *, lr: PositiveFloat = 1e-3):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    weight.add_(weight.grad.sign(), alpha=-group["lr"])
        return loss


@register("schedulers", "square_root")
def square_root(optimizer, horizon, /, *, warmup: PositiveInt = 2):
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, ((step + 1) / warmup)) ** 0.5)
    return {"scheduler": scheduler, "interval": "step"}


@register("paired_metrics", "largest_error")
def largest_error(original, reconstruction, mask, /):
    difference = np.abs(original - reconstruction)
    return float((difference if mask is None else difference[:, mask]).max())


@register("preprocessing", "halve")
class Halve(Transform):
    """Multiplies all values by a factor."""

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5

    def __call__(self, image):
        channels = image.num_channels
        return image.rescaled(np.full(channels, self.factor), np.zeros(channels))


@register("augmentations", "dim")
class Dim(Augmentation):
    """Makes the image darker."""

    positional = "strength"
    strength: Annotated[float, Field(gt=0, lt=1)] = 0.3

    def build(self, shape):
        return torchio.Lambda(lambda image: image * (1 - self.strength * torch.rand(())))


@register("postprocessing", "at_least")
class AtLeast(Postprocessing):
    """Lifts values to a smallest one."""

    positional = "floor"
    floor: float = 0.0

    def __call__(self, channel):
        return np.maximum(channel, self.floor)


@register("feature_extractors", "moments")
def moments(weights: Path | None = None):
    def network(planes):
        flat = planes.flatten(1)
        return torch.stack([flat.mean(1), flat.std(1), flat.amax(1), flat.amin(1)], 1)

    return Extractor("moments", network, "none: two moments and two ends", side=32)
'''

CONFIG = """
model_config:
  model_name: vqvae
  tensor_shape: [8, 8]
  architecture: {architecture}
  losses: {{charbonnier: {{epsilon: 0.01}}}}
  optimizers: {{name: sign_descent, lr: 0.001}}
  schedulers: {{name: square_root, warmup: 3}}
data_preprocessing: [{{halve: {{factor: 0.25}}}}]
data_augmentation: {{train: [{{dim: 0.5}}]}}
data_postprocessing: [{{at_least: 40}}]
metrics: [largest_error]
num_epochs: 2
batch_size: 4
compute: {{accelerator: cpu, precision: 32}}
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(registry, "_registered", {})
    path = tmp_path / "toys.py"
    path.write_text(PLUGIN)
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(architecture=json.dumps(registry.load("models", "vqvae").tiny["architecture"])))
    return path


def test_every_toy_keeps_the_promises_of_its_group(plugin: Path) -> None:
    registry.load_plugin(plugin)

    check_loss("charbonnier", {"epsilon": 0.01})
    check_optimizer("sign_descent")
    check_scheduler("square_root")
    check_paired_metric("largest_error", is_symmetric=True)
    check_preprocessing("halve")
    check_augmentation("dim", 0.5)
    check_postprocessing("at_least", 1)
    check_feature_extractor("moments")


def test_a_run_with_a_toy_in_every_place(
    cli: Cli, pictures_table: Path, plugin: Path, config: Path, tmp_path: Path
) -> None:
    model, chosen = tmp_path / "model", ("--plugin", plugin)

    code, _, err = cli("train", "-c", config, "-dt", pictures_table, "-m-dir", model, "-vr", 0.25, *chosen)
    assert code == 0, err
    logs = read_table(model / "training_logs" / "run_0" / "metrics.csv")
    assert any(row.get("val_largest_error") for row in logs), logs[0]

    code, out, err = cli("generate", "-m-dir", model, "-n", 2, *chosen)
    assert code == 0, err
    images = sorted(Path(out.strip()).glob("generated_image_*.tiff"))
    assert len(images) == 2
    assert min(float(read_image(image).array.min()) for image in images) >= 40

    code, out, err = cli("reconstruct", "-m-dir", model, "-dt", pictures_table, "--json", *chosen)
    assert code == 0, err
    assert "largest_error" in out


def test_images_are_compared_by_the_features_of_a_plugin(
    cli: Cli, pictures: Path, plugin: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "evaluation"

    code, _, err = cli("evaluate", "--real", pictures, "--synthetic", pictures, "-o", folder, "--extractor", "moments",
                       "--plugin", plugin)  # fmt: skip

    assert code == 0, err
    assert "moments" in (folder / "metrics.json").read_text()


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "charbonnier: {epsilon: 0.01}|charbonnier: {epsilon: 0}",
            "config.yaml:6: model_config.losses.epsilon: 0 is not valid; allowed: greater than 0",
        ),
        (
            "halve: {factor: 0.25}|halve: {share: 0.25}",
            "config.yaml:9: data_preprocessing.0.halve.share: unknown key; allowed: factor",
        ),
        ("dim: 0.5|dim: 2", "config.yaml:10: data_augmentation.train.0.dim: 2 is not valid; allowed: less than 1"),
    ],
)
def test_parameters_of_plugins_are_checked_with_their_lines(
    cli: Cli, plugin: Path, config: Path, written: str, message: str
) -> None:
    config.write_text(config.read_text().replace(*written.split("|")))

    code, _, err = cli("config", "show", "-c", config, "--plugin", plugin)

    assert code == 2
    assert message in err


def test_what_has_another_shape_than_its_group_is_refused(cli: Cli, plugin: Path) -> None:
    plugin.write_text("from gandlf_synth.registry import register\nregister('losses', 'mine')('mse')")

    code, _, err = cli("models", "--plugin", plugin)

    assert code == 6
    assert "losses.mine: is of type str; allowed: a function; write it like this:" in err
    assert "def my_name(" in err
