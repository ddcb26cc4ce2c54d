"""Every family gets a network that fits data and device, and whose size is that of the images."""

from typing import Any

import numpy as np
import pytest
from tests.factories import spec_of

from gandlf_synth import registry
from gandlf_synth.config import parse_document, validate
from gandlf_synth.models.build import build_module
from gandlf_synth.projects.networks import Surroundings, network_lines
from gandlf_synth.training.defaults import Device

FAMILIES = sorted(registry.entries("models"))
DEVICES = {"cpu": Device("cpu", 8 * 2**30, False), "gpu": Device("gpu", 24 * 2**30, True)}
SHAPES = {"cpu": [[64, 64], [64, 48], [32, 24, 32], [8, 8, 8]], "gpu": [[256, 200], [72, 64, 48]]}


def model_of(family: str, shape: list[int], device: str, epochs: int | None = 40) -> Any:
    lines = network_lines(family, Surroundings(shape, DEVICES[device], epochs))
    text = "\n".join(["model_config:", f"  model_name: {family}", *lines])
    return validate(parse_document(text, "init")).config.model


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("device", "shape"), [(device, shape) for device in DEVICES for shape in SHAPES[device]])
def test_a_network_of_every_family_can_be_built_for_the_size(family: str, device: str, shape: list[int]) -> None:
    model = model_of(family, shape, device)
    size = model.required_shape(len(shape)) or shape
    spec = spec_of(shape=tuple(size), spatial_dims=len(size), affine=np.eye(len(size) + 1).tolist())

    module = build_module(model.model_dump(mode="json"), spec)

    assert sum(weights.numel() for weights in module.parameters()) > 10_000


@pytest.mark.parametrize("family", FAMILIES)
def test_a_gpu_gets_a_larger_network(family: str) -> None:
    def weights(device: str) -> int:
        module = build_module(model_of(family, [64, 64], device).model_dump(mode="json"), spec_of(shape=(64, 64)))
        return sum(parameter.numel() for parameter in module.parameters())

    assert weights("gpu") > 1.5 * weights("cpu")


@pytest.mark.parametrize(
    ("longest", "start", "stages"), [(8, 4, 2), (24, 6, 3), (64, 4, 5), (56, 7, 4), (72, 9, 4), (256, 4, 7)]
)
def test_the_last_stage_of_stylegan_is_as_large_as_the_images(longest: int, start: int, stages: int) -> None:
    architecture = model_of("stylegan", [longest, 8], "cpu").architecture

    assert (architecture.progressive_size_starting_value, architecture.num_stages) == (start, stages)
    assert architecture.final_size == longest


@pytest.mark.parametrize("epochs", [10, 37, 3000])
def test_the_stages_of_stylegan_end_with_the_run(epochs: int) -> None:
    model = model_of("stylegan", [64, 64], "cpu", epochs)

    assert model.plan_notes(epochs) == []
    assert sum(model.architecture.progressive_epochs) == pytest.approx(epochs, abs=0.1)


@pytest.mark.parametrize(
    ("shape", "device", "codes"), [([64, 64], "cpu", 16), ([32] * 3, "cpu", 8), ([96] * 3, "gpu", 6)]
)
def test_images_of_vqvae_are_few_codes(shape: list[int], device: str, codes: int) -> None:
    architecture = model_of("vqvae", shape, device).architecture

    assert max(shape) / architecture.stride == codes
    assert architecture.num_embeddings >= 128


def test_nothing_is_written_for_a_family_of_which_nothing_is_known() -> None:
    assert network_lines("my_model", Surroundings([64, 64], DEVICES["cpu"])) == []
