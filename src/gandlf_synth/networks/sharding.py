"""Networks whose weights several processes share: each keeps a part, and all bring a block together when it is used.

Torch's ``fully_shard`` does it (FSDP2; the idea is ZeRO, Rajbhandari et al. 2020, arXiv 1910.02054). A shared weight is
a ``DTensor`` as long as nobody computes with it; optimizers, averages and checkpoints know it in no other form.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.utils import get_total_norm

DATA, TENSOR = "data_parallel", "tensor_parallel"
"""The axes of a mesh of processes, by Lightning's names: those who see other images, and those who share a layer."""


def shard_networks(networks: Iterable[nn.Module], mesh: DeviceMesh, *, keeps_whole: bool) -> None:
    """Share the weights of ``networks`` out among the processes along the data axis of ``mesh``, in place.

    Weights that do not learn stay whole, and so do single numbers.

    Args:
        networks: called as ``network(…)`` by training and sampling, not by their methods or parts; see
            ``sharding_blocks`` for what is brought together at a time.
        mesh: the processes.
        keeps_whole: leave a network together from its first use to ``reshard``. Networks that are used several times
            before a step need it, and derivatives of derivatives.
    """
    for network in networks:
        for part in (*sharding_blocks(network), network):
            weights = list(part.parameters())
            whole = {each for each in weights if not each.requires_grad or each.ndim == 0}
            for each in weights:
                if not isinstance(each, DTensor):
                    each.data = each.data.contiguous()
            if len(whole) < len(weights):
                shared = fully_shard(part, mesh=mesh[DATA], reshard_after_forward=not keeps_whole, ignored_params=whole)
                shared.set_reshard_after_backward(not keeps_whole)


def sharding_blocks(network: nn.Module) -> list[nn.Module]:
    """Return the parts of ``network`` that are brought together one at a time; it calls each as ``block(…)``.

    A network says so with ``sharding_blocks``, or has them in a list ``blocks``, as MONAI's have; without, it is
    brought together as a whole.
    """
    blocks = getattr(network, "sharding_blocks", None)
    if blocks is None and isinstance(getattr(network, "blocks", None), nn.ModuleList):
        blocks = network.blocks
    return list(blocks or ())


def is_sharded(module: nn.Module) -> bool:
    """Say whether processes share weights of ``module``."""
    return any(isinstance(part, FSDPModule) for part in module.modules())


def reshard(module: nn.Module) -> None:
    """Give back what was brought together of the networks in ``module``: its weights are parts again."""
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


@contextmanager
def gathered(network: nn.Module) -> Iterator[None]:
    """Bring all of ``network`` together for the block, which uses its parts in other ways than calling ``network``."""
    for part in network.modules():
        if isinstance(part, FSDPModule):
            part.unshard()
    yield
    reshard(network)


def local(tensor: Tensor) -> Tensor:
    """Return this process's part of ``tensor``, in the same memory; all of it where it is not shared."""
    part: Tensor = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return part


def gradient_norm(gradients: Sequence[Tensor]) -> Tensor:
    """Return the norm of all ``gradients`` together, over the processes that share them; a scalar, alike in all.

    Example:
        >>> gradient_norm([torch.tensor([3.0]), torch.tensor([[4.0]])])
        tensor(5.)
    """
    if not any(isinstance(each, DTensor) for each in gradients):
        return get_total_norm(gradients)
    world = distributed.get_world_size()
    norms = torch.stack(torch._foreach_norm([local(each) for each in gradients]))
    sharing = [each.device_mesh.size() if isinstance(each, DTensor) else 1 for each in gradients]
    # What fewer processes share, several have; one sum over all of them gives all the same bits.
    square = (norms.square() * torch.tensor(sharing, device=norms.device) / world).sum()
    distributed.all_reduce(square)
    return square.sqrt()


def clip_gradients(gradients: Sequence[Tensor], limit: float, norm: Tensor) -> None:
    """Scale ``gradients``, whose norm is ``norm``, down to the norm ``limit`` where they are longer, in place."""
    torch._foreach_mul_([local(each) for each in gradients], (limit / (norm + 1e-6)).clamp(max=1.0))


def whole_weights(module: nn.Module) -> frozenset[str]:
    """Return the names of the weights of ``module`` that are not shared; to be asked right after sharding."""
    return frozenset(name for name, weights in module.named_parameters() if not isinstance(weights, DTensor))


def average_gradients(module: nn.Module, whole: frozenset[str], mesh: DeviceMesh) -> list[str]:
    """Average the gradients of weights that are not shared, as ``fully_shard`` does for the others, and reshard.

    Args:
        module: the model.
        whole: the names of those weights.
        mesh: the processes.

    Returns:
        The names of shared weights whose gradients are lost: their network was used, but not called.
    """
    lost = []
    for name, weights in module.named_parameters():
        if isinstance(weights, DTensor) or weights.grad is None:
            continue
        if name in whole:
            distributed.all_reduce(weights.grad, group=mesh[DATA].get_group())
            weights.grad /= mesh[DATA].size()
        else:
            lost.append(name)
    reshard(module)
    return lost


def share_buffers(module: nn.Module) -> None:
    """Give all processes the buffers of the first one that checkpoints keep, such as statistics of a normalization."""
    for part in module.modules():
        for name, buffer in part.named_buffers(recurse=False):
            if name not in part._non_persistent_buffers_set:
                distributed.broadcast(buffer, 0)
