"""The codebook counts in 32 bits, revives codes that nothing uses, and says how many are used."""

import pytest
import torch
from monai.networks.layers.vector_quantizer import EMAQuantizer

from gandlf_synth.networks.codebook import Codebook, perplexity


def codebook_of() -> Codebook:
    torch.manual_seed(0)
    return Codebook(EMAQuantizer(spatial_dims=2, num_embeddings=8, embedding_dim=4))


def test_quantization_counts_in_32_bits_whatever_the_precision() -> None:
    codebook = codebook_of().eval()
    vectors = torch.randn(2, 4, 3, 2)

    with torch.autocast("cpu", torch.bfloat16):
        quantized, _, codes = codebook(vectors)

    assert quantized.dtype == torch.float32
    table = codebook.quantizer.embedding.weight
    nearest = torch.cdist(vectors.movedim(1, -1).reshape(-1, 4), table).argmin(1)
    assert torch.equal(codes.flatten(), nearest)
    assert torch.allclose(quantized, codebook.embed(codes), atol=1e-6)


def test_unused_codes_are_moved_to_where_the_data_is() -> None:
    codebook = codebook_of()
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


def test_perplexity_is_the_exponential_of_the_entropy_of_the_codes() -> None:
    codes = torch.randint(0, 5, (3, 4, 4), generator=torch.Generator().manual_seed(0))
    shares = torch.bincount(codes.flatten(), minlength=8) / codes.numel()

    assert float(perplexity(codes, 8)) == pytest.approx(float(torch.exp(torch.special.entr(shares).sum())), rel=1e-5)
