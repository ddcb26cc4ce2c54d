"""Large layers that several processes compute together, each a part of the channels (Shoeybi et al. 2019, 1909.08053).

Layers are split in pairs: the first makes a part of its channels in each process, the second takes that part, and the
processes add up what it makes. Everything between two pairs is the same in all of them.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from monai.networks.blocks.crossattention import CrossAttentionBlock
from monai.networks.blocks.mlp import MLPBlock
from monai.networks.blocks.selfattention import SABlock
from monai.networks.nets.diffusion_model_unet import DiffusionUNetResnetBlock
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Placement, Replicate, Shard, distribute_tensor
from torch.nn import functional
from torch.nn.utils.parametrize import is_parametrized

from gandlf_synth.networks.sharding import local

Split = Callable[[DeviceMesh], None]
"""Splits the layers of a block among the processes of a mesh of one axis, in place."""


def splits(network: nn.Module, count: int) -> Iterator[Split]:
    """Yield how the blocks of ``network`` are split into ``count`` parts; those that cannot be are left out.

    A network may say so itself with ``tensor_splits(count)``, made of ``split_outputs``, ``split_inputs`` and
    ``split_groups``. Otherwise these are split: residual blocks of the U-Net, attention by heads, and the two layers
    after it.
    """
    if hasattr(network, "tensor_splits"):
        yield from network.tensor_splits(count)  # type: ignore[operator]
        return
    for block in network.modules():
        if any(map(is_parametrized, block.modules())):
            continue  # changes of low rank are made for whole weights
        if isinstance(block, DiffusionUNetResnetBlock) and block.norm2.num_groups % count == 0:
            yield partial(_split_residual, block)
        elif isinstance(block, SABlock | CrossAttentionBlock) and _has_heads(block, count):
            yield partial(_split_attention, block)
        elif isinstance(block, MLPBlock) and _has_pair(block, count):
            yield partial(_split_pair, block)


def _has_heads(block: SABlock | CrossAttentionBlock, count: int) -> bool:
    if isinstance(block, SABlock) and block.use_combined_linear:
        return False
    return isinstance(block.out_proj, nn.Linear) and bool(block.num_heads % count == 0)


def _has_pair(block: MLPBlock, count: int) -> bool:
    # A gated activation needs both halves of what the first layer makes.
    width = block.linear1.out_features
    return bool(width == block.linear2.in_features and width % count == 0)


def _split_residual(block: DiffusionUNetResnetBlock, mesh: DeviceMesh) -> None:
    split_outputs(block.conv1.conv, mesh)
    split_outputs(block.time_emb_proj, mesh)
    split_groups(block.norm2, mesh)
    split_inputs(block.conv2.conv, mesh)


def _split_attention(block: Any, mesh: DeviceMesh) -> None:
    for layer in (block.to_q, block.to_k, block.to_v):
        split_outputs(layer, mesh)
    split_inputs(block.out_proj, mesh)
    block.num_heads //= mesh.size()
    block.input_rearrange = type(block.input_rearrange)("b h (l d) -> b l h d", l=block.num_heads)


def _split_pair(block: MLPBlock, mesh: DeviceMesh) -> None:
    split_outputs(block.linear1, mesh)
    split_inputs(block.linear2, mesh)


def split_outputs(layer: nn.Module, mesh: DeviceMesh) -> None:
    """Let ``layer``, a convolution or a linear layer, make in each process a part of the channels that it made.

    Args:
        layer: its weight has the outputs first.
        mesh: the processes, along one axis.
    """
    _share(layer, "weight", 0, mesh)
    _share(layer, "bias", 0, mesh)

    def forward(features: Tensor) -> Tensor:
        return _apply(layer, _copied(features, mesh), local(_weight(layer)), local_or_none(layer.bias))

    layer.forward = forward


def split_inputs(layer: nn.Module, mesh: DeviceMesh) -> None:
    """Let ``layer``, a convolution or a linear layer, take a part of the channels in each process, and add up.

    Args:
        layer: its weight has the inputs second.
        mesh: the processes, along one axis.
    """
    _share(layer, "weight", 1, mesh)

    def forward(features: Tensor) -> Tensor:
        output = _summed(_apply(layer, features, local(_weight(layer)), None), mesh)
        bias: Any = layer.bias
        return output if bias is None else output + bias.to(output.dtype).view(-1, *[1] * _axes_after(layer))

    layer.forward = forward


def split_groups(norm: nn.GroupNorm, mesh: DeviceMesh) -> None:
    """Let a group normalization see the part of the channels that ``split_outputs`` leaves in each process."""
    _share(norm, "weight", 0, mesh)
    _share(norm, "bias", 0, mesh)
    groups = norm.num_groups // mesh.size()

    def forward(features: Tensor) -> Tensor:
        return functional.group_norm(features, groups, local(norm.weight), local(norm.bias), norm.eps)

    norm.forward = forward  # type: ignore[method-assign, assignment]


def local_or_none(value: Any) -> Tensor | None:
    """Return this process's part of a bias, where there is one."""
    return None if value is None else local(value)


def _weight(layer: nn.Module) -> Tensor:
    weight: Tensor = layer.weight  # type: ignore[assignment]
    return weight


def _axes_after(layer: nn.Module) -> int:
    """Return the axes of a layer's output after that of its channels."""
    return 0 if isinstance(layer, nn.Linear) else _weight(layer).ndim - 2


def _apply(layer: Any, features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if isinstance(layer, nn.Linear):
        return functional.linear(features, weight, bias)
    output: Tensor = layer._conv_forward(features, weight, bias)
    return output


def _share(layer: nn.Module, name: str, axis: int, mesh: DeviceMesh) -> None:
    weights = getattr(layer, name)
    if weights is not None:
        whole = weights.detach().contiguous()
        shared = distribute_tensor(whole, mesh, [Shard(axis)], src_data_rank=None)
        setattr(layer, name, nn.Parameter(shared, requires_grad=weights.requires_grad))


def _copied(features: Tensor, mesh: DeviceMesh) -> Tensor:
    """Return ``features``, which all processes have; their gradients are added up."""
    return _placed(features, mesh, Replicate()).to_local(grad_placements=[Partial()])


def _summed(features: Tensor, mesh: DeviceMesh) -> Tensor:
    """Return the sum of what the processes have; all get its gradient."""
    return _placed(features, mesh, Partial()).redistribute(placements=[Replicate()]).to_local()


def _placed(features: Tensor, mesh: DeviceMesh, placement: Placement) -> DTensor:
    return DTensor.from_local(features, mesh, [placement], run_check=False)
