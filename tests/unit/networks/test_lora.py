"""Changes of low rank: none at first, merged without a difference, and small."""

import copy

import pytest
import torch
from torch import nn

from gandlf_synth.networks.denoiser import UNetDenoiser
from gandlf_synth.networks.lora import add_changes, is_change, merge_changes, without_changes


def _denoiser(spatial_dims: int) -> UNetDenoiser:
    torch.manual_seed(0)
    denoiser = UNetDenoiser(
        spatial_dims=spatial_dims, in_channels=1, num_channels=(8, 8), attention_levels=(False, True),
        num_res_blocks=1, norm_num_groups=4, num_head_channels=4,
    )  # fmt: skip
    for weight in denoiser.parameters():  # the last layers of such networks begin at zero
        nn.init.normal_(weight, std=0.2)
    return denoiser.eval()


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("only_attention", [True, False])
def test_changes_begin_at_none_and_merge_without_a_difference(spatial_dims: int, only_attention: bool) -> None:
    plain = _denoiser(spatial_dims)
    changed = copy.deepcopy(plain)
    noisy, timesteps = torch.randn(2, 1, *[8] * spatial_dims), torch.tensor([3, 700])

    layers = add_changes(changed, rank=2, alpha=2.0, only_attention=only_attention)

    assert layers
    assert torch.equal(changed(noisy, timesteps), plain(noisy, timesteps))
    for name, weight in changed.named_parameters():
        assert weight.requires_grad == is_change(name)
        if is_change(name):
            nn.init.normal_(weight, std=0.3)
    trained = changed(noisy, timesteps)
    assert not torch.allclose(trained, plain(noisy, timesteps), atol=1e-3)
    assert set(without_changes(changed.state_dict())) == set(plain.state_dict())
    merge_changes(changed)
    assert set(changed.state_dict()) == set(plain.state_dict())
    assert torch.allclose(changed(noisy, timesteps), trained, atol=1e-5)


def test_a_change_is_of_its_rank() -> None:
    linear = nn.Linear(12, 10)
    layer = nn.Sequential(linear)
    before = linear.weight.detach().clone()
    add_changes(layer, rank=3, alpha=6.0, only_attention=False)
    for name, weight in layer.named_parameters():
        if is_change(name):
            nn.init.normal_(weight)
    merge_changes(layer)
    assert int(torch.linalg.matrix_rank(linear.weight.detach() - before)) == 3


def test_only_attention_changes_little_of_a_network() -> None:
    denoiser = _denoiser(2)
    add_changes(denoiser, rank=1, alpha=1.0, only_attention=True)
    changed = {
        name.split(".parametrizations")[0].rpartition(".")[2]
        for name, _ in denoiser.named_parameters()
        if is_change(name)
    }
    assert changed == {"to_q", "to_k", "to_v", "out_proj"}
