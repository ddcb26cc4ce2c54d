"""What vqvae does besides what every model promises."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tests.factories import spec_of

from gandlf_synth.config import Document, SamplingOptions, validate
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.models.build import build_module
from gandlf_synth.models.vqvae import FAMILY
from gandlf_synth.models.vqvae.config import VQVAEArchitecture
from gandlf_synth.testing import check_model


def module_of(classes: int = 0, **section: object) -> Any:
    torch.manual_seed(0)
    return build_module({"model_name": "vqvae", **FAMILY.tiny, **section}, spec_of(classes=classes, shape=(9, 7)))


def test_codes_come_back_as_the_images_they_stand_for() -> None:
    module = module_of().eval()
    images = torch.rand(2, 1, 9, 7) * 2 - 1

    with torch.inference_mode():
        once = module.reconstruct(images, Condition())
        codes = module.codebook.codes(module.encode_mean(images))

    assert once.shape == images.shape
    assert codes.shape == (2, *module.grid)
    assert module.latent_shape == (4, 3, 2)


def test_a_collapsed_codebook_is_a_symptom() -> None:
    module = module_of()
    module._usage = torch.tensor(0.03)

    (symptom,) = module.symptoms()

    assert "codebook collapse: 3 % of the codes are in use" in str(symptom)


def test_a_discriminator_of_its_reconstructions_keeps_every_promise() -> None:
    section = {**FAMILY.tiny, "adversarial_weight": 0.5, "adversarial_start_fraction": 0.0, "prior_fraction": 0.5}

    check_model("vqvae", model_config=section)


def test_codes_that_are_drawn_one_after_the_other_keep_every_promise() -> None:
    section = {**FAMILY.tiny, "architecture": {**FAMILY.tiny["architecture"], "prior": "autoregressive"}}

    check_model("vqvae", model_config=section)


def test_the_passes_of_the_masked_prior_are_those_asked_for_and_recorded() -> None:
    module = module_of(num_inference_steps=5, choice_temperature=2.0).eval()
    asked = SamplingOptions(num_inference_steps=3)
    passes: list[int] = []
    module.prior.network.register_forward_pre_hook(lambda *_: passes.append(1))

    with torch.inference_mode():
        images = module.sample([1, 2], Condition(), asked)

    assert images.shape == (2, 1, 9, 7)
    assert len(passes) == module.sampling_defaults(asked)["num_inference_steps"] == 3
    assert module.sampling_defaults(SamplingOptions()) == {
        "temperature": 1.0, "top_k": None, "num_inference_steps": 5, "choice_temperature": 2.0,
    }  # fmt: skip


def test_autoencoder_discriminator_and_prior_take_their_turns() -> None:
    module = module_of(adversarial_weight=0.5, adversarial_start_fraction=0.5, prior_fraction=0.2)

    assert module.learning_span("model") == (0.0, pytest.approx(0.8))
    assert module.learning_span("discriminator") == (pytest.approx(0.4), pytest.approx(0.8))
    assert module.learning_span("prior") == (pytest.approx(0.8), 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_residual_channels": [8]}, "num_residual_channels has 1 entries but .* has 3"),
        ({"upsample_conv_parameters": [[2, 4, 1, 1, 1]] * 3}, "both must be exact, such as"),
        ({"downsample_conv_parameters": [[3, 4, 1, 1]] * 3}, "both must be exact, such as"),
        ({"downsample_conv_parameters": [[2, 4]] * 3}, "must be .stride, kernel, dilation, padding"),
        ({"prior_channels": 10, "prior_heads": 4}, "prior_heads 4 does not divide prior_channels 10; .* is 2"),
    ],
)
def test_architectures_that_cannot_work_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        VQVAEArchitecture(**change)


def test_a_configuration_of_the_existing_gandlf_synth_is_taken_as_it_is() -> None:
    content = {
        "model_config": {
            "model_name": "vqvae", "labeling_paradigm": "unlabeled", "n_dimensions": 2, "n_channels": 3,
            "tensor_shape": [128, 128], "losses": {"name": "mse"}, "optimizers": {"name": "adam", "lr": 3e-4},
            "schedulers": {"type": "exp", "gamma": 0.99},
            "architecture": {"num_channels_upsample_downsample_layers": [96, 96, 192], "EMA_decay": 0.5},
        },
        "modality": "histo", "num_epochs": 5, "batch_size": 2, "metrics": ["structural_similarity_index"],
    }  # fmt: skip

    config: Any = validate(Document("theirs.yaml", content)).config

    assert config.model.architecture.stride == 8
    assert config.model.component("optimizers", "prior").name == "adam"
