"""GaNDLF's own components through ``gandlf:NAME``; skipped where GaNDLF is not installed."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.factories import Cli, TinyConfig

from gandlf_synth import registry
from gandlf_synth.config import Component, Step, parse_document, validate
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.processing.pipeline import make_transform
from gandlf_synth.errors import ConfigError, PluginError
from gandlf_synth.geometry import Geometry
from gandlf_synth.losses import build_loss
from gandlf_synth.optim import build_optimizer, build_scheduler

needs_gandlf = pytest.mark.skipif(find_spec("GANDLF") is None, reason="GaNDLF is not installed")
CONFIG = """\
model_config:
  model_name: ddpm
  optimizers: {name: "gandlf:adamw", lr: 0.001}
num_epochs: 1
"""


@pytest.mark.skipif(find_spec("GANDLF") is not None, reason="GaNDLF is installed")
def test_without_gandlf_a_name_of_its_own_says_what_to_install() -> None:
    with pytest.raises(PluginError, match=r"needs the package gandlf; .*pip install --no-deps gandlf"):
        validate(parse_document(CONFIG, "c.yaml"))


def image(shape: tuple[int, ...] = (12, 10, 8)) -> Image:
    values = np.random.default_rng(0).uniform(50, 500, (1, *shape))
    affine = np.array([[-2.0, 0, 0, 20], [0, 1.5, 0, 30], [0, 0, 3.0, -40], [0, 0, 0, 1]])
    return Image.from_file_values(values, Geometry(shape, affine, True))


@needs_gandlf
def test_a_configuration_with_gandlfs_names_is_valid_and_a_wrong_one_lists_them() -> None:
    assert validate(parse_document(CONFIG, "c.yaml")).config.model.optimizers.name == "gandlf:adamw"
    with pytest.raises(ConfigError, match=r"unknown name 'gandlf:adamv' in optimizers; .*adamw"):
        validate(parse_document(CONFIG.replace("adamw", "adamv"), "c.yaml"))


@needs_gandlf
@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "lion"])
def test_optimizers_step(name: str) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = build_optimizer(Component(name=f"gandlf:{name}", lr=0.01), [weight], "optimizers")

    weight.square().sum().backward()
    optimizer.step()

    assert optimizer.param_groups[0]["lr"] == 0.01
    assert (weight < 1).all()


@needs_gandlf
@pytest.mark.parametrize("name", ["exp", "step", "cosineannealing", "reduce_on_plateau"])
def test_schedulers_are_stepped_by_epoch(name: str) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)

    made = build_scheduler(Component(name=f"gandlf:{name}"), optimizer, 10, 20, "schedulers")

    assert made["interval"] == "epoch"
    assert ("monitor" in made) == (name == "reduce_on_plateau")


@needs_gandlf
def test_losses_and_metrics_measure_what_they_are_called_after() -> None:
    output, target = torch.full((2, 1, 4, 4), 3.0), torch.ones(2, 1, 4, 4)

    assert float(build_loss(Component(name="gandlf:mse"), "losses", reduction="none")(output, target)) == 4.0
    measure = registry.load("paired_metrics", "gandlf:mse")
    assert measure(target[0].numpy(), output[0].numpy(), None) == pytest.approx(4.0)


@needs_gandlf
def test_a_normalisation_can_be_undone() -> None:
    before = image()

    after = make_transform(Step(name="gandlf:normalize"))(before)

    assert after.array.mean() == pytest.approx(0, abs=1e-4)
    assert after.array.std() == pytest.approx(1, rel=1e-3)
    assert np.allclose((after.array - after.offset[0]) / after.scale[0], before.array, rtol=1e-3)


@needs_gandlf
@pytest.mark.parametrize("shape", [(12, 10, 8), (12, 10)])
def test_a_crop_keeps_its_place_in_the_patient(shape: tuple[int, ...]) -> None:
    before = image(shape)

    after = make_transform(Step(name="gandlf:centercrop", parameters=[6, 6, 4][: len(shape)]))(before)

    assert after.geometry.shape == (6, 6, 4)[: len(shape)]
    first = [(old - new) // 2 for old, new in zip(shape, after.geometry.shape, strict=True)]
    assert np.allclose(
        after.geometry.affine[:3, 3], before.geometry.cropped(tuple(first), (1,) * len(shape)).affine[:3, 3]
    )


@needs_gandlf
@pytest.mark.parametrize("name", ["affine", "noise", "flip", "gamma", "bias"])
def test_augmentations_change_images_by_seed(name: str) -> None:
    from gandlf_synth.data.processing.augmenter import Augmenter

    augmenter = Augmenter([Step(name=f"gandlf:{name}", parameters={"probability": 1.0})], 3)
    start = torch.rand(1, 12, 10, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1

    once, again, other = augmenter(start, 1), augmenter(start, 1), augmenter(start, 2)

    assert torch.equal(once, again)
    assert once.shape == start.shape
    assert not torch.equal(once, start) or not torch.equal(other, start)


@needs_gandlf
def test_postprocessing_fills_holes() -> None:
    ring = np.zeros((9, 9))
    ring[2:7, 2:7] = 1
    ring[4, 4] = 0

    filled = registry.load("postprocessing", "gandlf:fill_holes").model_validate(None)(ring)

    assert filled[4, 4] == 1


@needs_gandlf
def test_a_model_trains_with_gandlfs_components(
    cli: Cli, pictures_table: Path, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    extra = 'data_augmentation: {train: {"gandlf:flip": {probability: 0.5}}}\n'
    words = ("train", "-c", tiny_config([8, 8], extra), "-dt", pictures_table, "-m-dir", tmp_path / "model")

    code, _, err = cli(*words, "--set", 'model_config.optimizers={name: "gandlf:adamw", lr: 0.001}')

    assert code == 0, err
