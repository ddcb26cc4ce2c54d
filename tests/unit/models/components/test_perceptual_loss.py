"""The perceptual term of the autoencoder: what it measures, where its weights come from, and what is refused."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from tests.factories import spec_of
from torch.nn import functional

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.errors import ConfigError
from gandlf_synth.metrics.extractors.medicalnet import resnet
from gandlf_synth.models.autoencoder_kl import FAMILY
from gandlf_synth.models.build import build_module
from gandlf_synth.models.components.perceptual_loss import build_perceptual

features = pytest.mark.skipif(find_spec("efficientnet_lite_pytorch") is None, reason="the extra features is not there")


@pytest.fixture
def medicalnet_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    torch.save(resnet(10).state_dict(), tmp_path / "resnet_10.pth")
    return tmp_path / "resnet_10.pth"


@pytest.mark.parametrize("shape", [(2, 1, 40, 32), (2, 3, 40, 32), (1, 2, 24, 28, 20)])
def test_an_image_is_at_no_distance_from_itself_and_further_from_a_blurred_one(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    images = torch.rand(shape) * 2 - 1
    pool = functional.avg_pool2d if len(shape) == 4 else functional.avg_pool3d
    distance = build_perceptual("random-conv", None, len(shape) - 2)

    little, much = (pool(images, size, stride=1, padding=size // 2, count_include_pad=False) for size in (3, 5))

    with torch.no_grad():
        assert distance(images, images) == 0
        assert 0 < distance(0.5 * (images + little), images) < distance(much, images)


@features
def test_trained_weights_see_structure_where_the_absolute_error_sees_none() -> None:
    rows = torch.arange(64.0)
    stripes = torch.sin(rows / 3).expand(1, 1, 64, 64)
    shifted, rotated = stripes.roll(1, dims=3), stripes.mT
    noisy = stripes + (shifted - stripes).abs().mean() * torch.sign(torch.randn_like(stripes))
    distance = build_perceptual("efficientnet-lite0", None, 2)

    with torch.no_grad():
        assert distance(shifted, stripes) < distance(noisy, stripes)
        assert distance(shifted, stripes) < distance(rotated, stripes)


def test_gradients_reach_the_image_and_not_the_network(medicalnet_file: Path) -> None:
    distance = build_perceptual("medicalnet", medicalnet_file, 3)
    output = torch.rand(1, 2, 16, 16, 16, requires_grad=True)

    distance(output, torch.rand(1, 2, 16, 16, 16)).backward()

    assert output.grad is not None
    assert output.grad.abs().sum() > 0
    assert not any(weight.requires_grad for weight in distance.parameters())


@pytest.mark.parametrize(
    ("name", "weights", "dims", "said"),
    [
        ("medicalnet", None, 3, "perceptual_network: has no weights of its own; .*model_config.perceptual_weights"),
        ("medicalnet", Path("none.pth"), 3, "perceptual_weights none.pth: does not exist"),
        ("random-conv", Path("any.pth"), 2, "perceptual_weights any.pth: random-conv brings its own weights; drop it"),
        ("torchscript", Path("none.pt"), 2, "perceptual_weights none.pt: does not exist"),
    ],
)
def test_what_cannot_be_had_is_refused(name: str, weights: Path | None, dims: int, said: str) -> None:
    with pytest.raises(ConfigError, match=f"model_config.{said}"):
        build_perceptual(name, weights, dims)


def test_a_network_for_volumes_is_refused_for_planes(medicalnet_file: Path) -> None:
    with pytest.raises(ConfigError, match="perceptual_network: medicalnet looks at volumes and the images are 2D"):
        build_perceptual("medicalnet", medicalnet_file, 2)


def test_the_network_is_needed_for_training_alone_and_is_no_part_of_the_model() -> None:
    section = {"model_name": "autoencoder_kl", **FAMILY.tiny}
    named = {"perceptual_network": "medicalnet", "perceptual_weights": "gone.pth"}

    plain, module = (build_module({**section, **more}, spec_of(shape=(16, 16))).eval() for more in ({}, named))

    assert module.reconstruct(torch.zeros(1, 1, 16, 16), Condition()).shape == (1, 1, 16, 16)
    assert module.state_dict().keys() == plain.state_dict().keys()
    with pytest.raises(ConfigError, match="perceptual_weights"):
        module.check_components()


@features
def test_it_is_a_term_of_what_the_autoencoder_minimises() -> None:
    section = {"model_name": "autoencoder_kl", **FAMILY.tiny}
    plain, module = (
        build_module({**section, **more}, spec_of(shape=(16, 16)))
        for more in ({}, {"perceptual_network": "efficientnet-lite0", "perceptual_weight": 0.5})
    )
    images, output = torch.rand(2, 2, 1, 16, 16)

    more = module.criterion(output, images) - plain.criterion(output, images)

    assert float(more) == pytest.approx(
        float(0.5 * build_perceptual("efficientnet-lite0", None, 2)(output, images)), rel=1e-4
    )
