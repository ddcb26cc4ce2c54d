"""What vqvae's codebook and prior do besides what every model promises."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from tests.factories import spec_of

from gandlf_synth.config import Document, validate
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.models.checkpoint import build_module
from gandlf_synth.models.vqvae import FAMILY
from gandlf_synth.models.vqvae.config import VQVAEArchitecture
from gandlf_synth.networks.codebook import perplexity


def module_of(classes: int = 0, **section: object) -> Any:
    torch.manual_seed(0)
    return build_module({"model_name": "vqvae", **FAMILY.tiny, **section}, spec_of(classes=classes, shape=(9, 7)))


def test_quantisation_counts_in_32_bits_whatever_the_precision() -> None:
    codebook = module_of().codebook.eval()
    vectors = torch.randn(2, 4, 3, 2)

    with torch.autocast("cpu", torch.bfloat16):
        quantized, _, codes = codebook(vectors)

    assert quantized.dtype == torch.float32
    table = codebook.quantizer.embedding.weight
    nearest = torch.cdist(vectors.movedim(1, -1).reshape(-1, 4), table).argmin(1)
    assert torch.equal(codes.flatten(), nearest)
    assert torch.allclose(quantized, codebook.embed(codes), atol=1e-6)


def test_unused_codes_are_moved_to_where_the_data_is() -> None:
    codebook = module_of().codebook
    vectors = torch.full((1, 4, 3, 3), 50.0) + torch.randn(1, 4, 3, 3)
    codebook.quantizer.ema_cluster_size[:] = torch.tensor([9.0] * 3 + [0.0] * 5)
    kept = codebook.quantizer.embedding.weight[:3].clone()

    codebook.revive(vectors, lambda tensor: tensor)

    table = codebook.quantizer.embedding.weight
    assert torch.equal(table[:3], kept)
    assert (table[3:] > 40).all()
    assert codebook.usage() == 1


def test_perplexity_is_the_number_of_codes_in_use() -> None:
    assert perplexity(torch.arange(8).repeat(5), 32) == pytest.approx(8, rel=1e-4)
    assert perplexity(torch.zeros(10, dtype=torch.long), 32) == pytest.approx(1, rel=1e-4)


def test_codes_come_back_as_the_images_they_stand_for() -> None:
    module = module_of().eval()
    images = torch.rand(2, 1, 9, 7) * 2 - 1

    with torch.inference_mode():
        once = module.reconstruct(images, Condition())
        codes = module.codebook.codes(module.encode_mean(images))

    assert once.shape == images.shape
    assert codes.shape == (2, *module.grid)
    assert module.latent_shape == (4, 3, 2)


def test_the_prior_learns_the_order_of_codes_and_their_class() -> None:
    prior = module_of(classes=2).prior
    rows = torch.tensor([[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]])
    optimizer = torch.optim.Adam(prior.parameters(), 0.02)
    for _ in range(150):
        optimizer.zero_grad()
        prior.loss(rows, torch.tensor([0, 1])).backward()
        optimizer.step()

    generators = [torch.Generator().manual_seed(seed) for seed in range(2)]
    with torch.inference_mode():
        drawn = prior.draw(torch.tensor([1, 0]), generators, temperature=0.1, top_k=None)

    assert drawn.tolist() == [[5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5]]


def test_a_collapsed_codebook_is_a_symptom() -> None:
    module = module_of()
    module._usage = torch.tensor(0.03)

    (symptom,) = module.symptoms()

    assert "codebook collapse: 3 % of the codes are in use" in str(symptom)


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


def test_while_it_learns_the_prior_sees_codes_before_that_are_not_always_right() -> None:
    torch.manual_seed(0)
    prior = module_of(architecture={**FAMILY.tiny["architecture"], "prior_dropout": 0.5}).prior
    codes = torch.randint(8, (4, prior.length))

    prior.train()
    learning = [prior.loss(codes, None).item() for _ in range(3)]
    prior.eval()
    applied = [prior.loss(codes, None).item() for _ in range(3)]

    assert len(set(learning)) == 3
    assert len(set(applied)) == 1


def test_the_likeliest_codes_are_those_of_the_transformer_that_sees_all_before() -> None:
    prior = module_of(classes=2).eval().prior
    labels = torch.tensor([0, 1, 1])
    generators = [torch.Generator().manual_seed(seed) for seed in range(3)]

    with torch.inference_mode():
        drawn = prior.draw(labels, generators, 1.0, top_k=1)
        whole = prior.transformer(torch.cat([8 + labels[:, None], drawn[:, :-1]], dim=1))[..., :8]

    assert torch.equal(drawn, whole.argmax(2))


def test_perplexity_is_the_exponential_of_the_entropy_of_the_codes() -> None:
    codes = torch.randint(0, 5, (3, 4, 4), generator=torch.Generator().manual_seed(0))
    shares = torch.bincount(codes.flatten(), minlength=8) / codes.numel()

    assert float(perplexity(codes, 8)) == pytest.approx(float(torch.exp(torch.special.entr(shares).sum())), rel=1e-5)
