"""Images as conditions of latents: encoded by the autoencoder of the images, maps averaged to its grid."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.conditioners import ConditionPart


def latent_part(part: ConditionPart, num_channels: int, latent_channels: int) -> ConditionPart:
    """Return ``part`` as a process on latents knows it.

    Args:
        part: as a process on images knows it.
        num_channels: of an image.
        latent_channels: of its latents.

    Example:
        >>> mask = ConditionPart(name="mask", conditioner="mask", kind="channels", size=3)
        >>> latent_part(mask, 1, 4).size
        3
        >>> source = mask.model_copy(update={"images": (1, 1)})
        >>> latent_part(source, 1, 4).size
        9
    """
    per_image = [count // (count if count == num_channels else 1) * latent_channels for count in part.images]
    size = part.size - sum(part.images) + sum(per_image)
    return part.model_copy(update={"size": size, "images": tuple(per_image)})


def latent_condition(
    condition: Condition,
    parts: Sequence[ConditionPart],
    num_channels: int,
    stride: int,
    encode: Callable[[Tensor], Tensor],
) -> Condition:
    """Return ``condition`` on the grid of the latents.

    Images of as many channels as the autoencoder takes are encoded as they are. Of others each channel is encoded by
    itself, repeated. The latents of an image that is missing are 0. Masks, regions and flags are averaged.

    Args:
        condition: of images.
        parts: what the model is conditioned on.
        num_channels: that the autoencoder takes.
        stride: voxels along an axis that one of the latents stands for.
        encode: ``(batch, num_channels, *shape)`` → ``(batch, latent channels, *latent size)``.
    """
    painted = {part.name: part for part in parts if part.kind == "channels"}
    encoded = {
        name: _on_latent_grid(tensor, painted[name], num_channels, stride, encode) if name in painted else tensor
        for name, tensor in condition.items()
    }
    return Condition(encoded)


def _on_latent_grid(
    tensor: Tensor, part: ConditionPart, num_channels: int, stride: int, encode: Callable[[Tensor], Tensor]
) -> Tensor:
    latents = [_encoded(tensor[:, group], num_channels, encode) for group in _groups(part, num_channels)]
    pool = functional.avg_pool2d if tensor.ndim == 4 else functional.avg_pool3d
    # The last window may hang over the border; voxels that are not there do not count.
    maps = pool(tensor[:, sum(part.images) :], stride, stride, ceil_mode=True, count_include_pad=False)
    return torch.cat([*latents, maps], 1)


def _encoded(image: Tensor, num_channels: int, encode: Callable[[Tensor], Tensor]) -> Tensor:
    channels = image if image.shape[1] == num_channels else image.expand(-1, num_channels, *image.shape[2:])
    latents = encode(channels)
    given = (image != 0).flatten(1).any(1).view(-1, *(1,) * (image.ndim - 1))
    return torch.where(given, latents, torch.zeros_like(latents))


def _groups(part: ConditionPart, num_channels: int) -> list[slice]:
    """Return the channels that are encoded together."""
    groups, start = list[slice](), 0
    for count in part.images:
        size = count if count == num_channels else 1
        groups += [slice(place, place + size) for place in range(start, start + count, size)]
        start += count
    return groups
