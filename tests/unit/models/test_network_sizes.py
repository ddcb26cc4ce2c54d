"""``architecture: XS`` to ``XL``: networks of every family that fit the images, each wider than the one before."""

from typing import Any

import pytest
from tests.factories import spec_of

from gandlf_synth import registry
from gandlf_synth.config import SIZES, Setting, Size, parse_document, validate
from gandlf_synth.models.build import build_module
from gandlf_synth.testing import with_conditions

FAMILIES = sorted(registry.entries("models"))
SHAPES = [([64, 64], False), ([64, 48], False), ([32, 24, 32], False), ([8, 8, 8], False), ([72, 64, 48], True)]


def model_of(family: str, shape: list[int], size: Size = "XS", *, on_gpu: bool = False, epochs: int = 40) -> Any:
    conditioning = registry.load("models", family).tiny.get("conditioning", [])
    text = f"model_config: {{model_name: {family}, conditioning: {conditioning}}}"
    model = validate(parse_document(text, "c.yaml")).config.model
    return model.with_networks(Setting(shape, on_gpu, epochs), size)


def weights_of(model: Any, shape: list[int]) -> int:
    """Return the number of weights of a model for images of ``shape``."""
    size = model.required_shape(len(shape)) or shape
    spec = with_conditions(spec_of(shape=tuple(size), spatial_dims=len(size)), model.conditioning)
    module = build_module(model.model_dump(mode="json"), spec)
    return sum(weights.numel() for weights in module.parameters())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("shape", "on_gpu"), SHAPES)
def test_networks_of_every_family_fit_the_images(family: str, shape: list[int], on_gpu: bool) -> None:
    assert weights_of(model_of(family, shape, on_gpu=on_gpu), shape) > 10_000


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dims", [2, 3])
def test_each_size_is_wider_than_the_one_before(family: str, dims: int) -> None:
    shape = [16] * dims
    weights = [weights_of(model_of(family, shape, size), shape) for size in SIZES[:3]]

    assert weights == sorted(set(weights))


@pytest.mark.parametrize("shape", [[32, 32], [64, 64], [256, 200], [32, 32, 32], [96, 96, 64]])
def test_a_unet_goes_down_to_sizes_at_which_it_can_attend(shape: list[int]) -> None:
    architecture = model_of("ddpm", shape).architecture

    coarsest = max(shape) / 2 ** (len(architecture.num_channels) - 1)
    assert 4 <= coarsest <= (16 if len(shape) == 2 else 12)
    assert architecture.attention_levels[-1]
    assert not architecture.attention_levels[0]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [[32, 32], [32, 32, 32], [72, 64, 48]])
def test_no_unet_normalizes_each_channel_by_itself(shape: list[int], size: Size) -> None:
    architecture = model_of("ddpm", shape, size).architecture

    assert architecture.num_channels[0] >= 2 * architecture.norm_num_groups


@pytest.mark.parametrize(
    ("shape", "time_shift", "p_mean", "sigma_max"),
    [([32, 32], 1, -1.2, 80), ([64, 64], 1, -1.2, 80), ([128, 128], 2, -0.51, 160), ([96] * 3, 1.84, -0.59, 147)],
)
def test_large_images_learn_at_more_noise(shape: list[int], time_shift: float, p_mean: float, sigma_max: float) -> None:
    levels = model_of("ddpm", shape).edm

    assert model_of("flow_matching", shape).time_shift == time_shift
    assert levels.p_mean == pytest.approx(p_mean, abs=0.01)
    assert levels.sigma_max == pytest.approx(sigma_max, abs=0.5)


def test_noise_levels_that_are_written_stay() -> None:
    text = "model_config: {model_name: ddpm, prediction_type: edm, edm: {p_mean: -1.0}}"
    model: Any = validate(parse_document(text, "c.yaml")).config.model.with_networks(Setting([128, 128], False), "M")

    assert (model.edm.p_mean, model.edm.sigma_max) == (-1.0, 80)


def test_what_is_written_stays() -> None:
    text = "model_config: {model_name: ddpm, optimizers: {name: lion, lr: 1e-5}}"
    model = validate(parse_document(text, "c.yaml")).config.model.with_networks(Setting([32, 32], False), "XS")

    assert model.optimizers.name == "lion"
    assert model.architecture.num_channels == [16, 32, 64]


@pytest.mark.parametrize(
    ("longest", "start", "stages"), [(8, 4, 2), (24, 6, 3), (64, 4, 5), (56, 7, 4), (72, 9, 4), (256, 4, 7)]
)
def test_the_last_stage_of_stylegan_is_as_large_as_the_images(longest: int, start: int, stages: int) -> None:
    architecture = model_of("stylegan", [longest, 8]).architecture

    assert (architecture.progressive_size_starting_value, architecture.num_stages) == (start, stages)
    assert architecture.final_size == longest


@pytest.mark.parametrize(("longest", "start", "stages", "padded"), [(30, 4, 4, 32), (60, 4, 5, 64), (100, 7, 5, 112)])
def test_stylegan_grows_from_a_small_image_where_padding_allows_it(
    longest: int, start: int, stages: int, padded: int
) -> None:
    architecture = model_of("stylegan", [longest, 8]).architecture

    assert (architecture.progressive_size_starting_value, architecture.num_stages) == (start, stages)
    assert (architecture.final_size, architecture.pads_images) == (padded, True)


@pytest.mark.parametrize("epochs", [10, 37, 3000])
def test_the_stages_of_stylegan_end_with_the_run(epochs: int) -> None:
    model = model_of("stylegan", [64, 64], epochs=epochs)

    assert model.plan_notes(epochs) == []
    assert sum(model.architecture.progressive_epochs) == pytest.approx(epochs, abs=0.1)


@pytest.mark.parametrize(("shape", "codes"), [([64, 64], 16), ([32] * 3, 8), ([96] * 3, 6)])
def test_images_of_vqvae_are_few_codes(shape: list[int], codes: int) -> None:
    architecture = model_of("vqvae", shape).architecture

    assert max(shape) / architecture.stride == codes
    assert architecture.num_embeddings >= 128
    assert architecture.prior == "masked"


def test_the_stages_of_latent_diffusion_may_be_of_sizes_of_their_own() -> None:
    text = """\
model_config:
  model_name: latent_diffusion
  first_stage: {model_name: vqvae, architecture: {num_embeddings: 8}}
  second_stage: {model_name: flow_matching, architecture: S}
"""
    model: Any = validate(parse_document(text, "c.yaml")).config.model
    sized = model.with_networks(Setting([32, 32], False), "XS")

    assert sized.first_stage.architecture.num_embeddings == 8
    assert sized.second_stage.architecture.num_channels[0] == 4 * 32
    assert sized.network_size is None


@pytest.mark.parametrize("family", FAMILIES)
def test_the_parts_of_a_training_make_a_whole(family: str) -> None:
    stretches = model_of(family, [32, 32]).stretches()

    assert sum(stretch.share for stretch in stretches) == pytest.approx(1)
    assert all(0 <= stretch.progress <= 1 for stretch in stretches)


@pytest.mark.parametrize(
    ("family", "thin", "wide"), [("autoencoder_kl", 1e-3, 5e-4), ("dcgan", 5e-4, 2e-4), ("stylegan", 3e-3, 1e-3)]
)
def test_thin_networks_learn_faster(family: str, thin: float, wide: float) -> None:
    rates = [model_of(family, [32, 32], size).optimizers.parameters["lr"] for size in ("XS", "S", "M")]

    assert rates == [thin, thin, wide]


@pytest.mark.parametrize(("shape", "stride"), [([32, 32, 32], 4), ([48, 64, 48], 4), ([128] * 3, 8), ([32, 32], 4)])
def test_latents_are_as_coarse_as_images_are_large(shape: list[int], stride: int) -> None:
    assert model_of("autoencoder_kl", shape).architecture.stride == stride
