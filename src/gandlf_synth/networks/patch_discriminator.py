"""The discriminator of patches (Isola et al. 2017, arXiv 1611.07004): MONAI's network for images of any size."""

from collections.abc import Sequence

from monai.networks.nets.patchgan_discriminator import PatchDiscriminator

from gandlf_synth.errors import ConfigError, Problem

_DEFAULT_LAYERS = 3
_MOST_LAYERS = 5


def build_patch_discriminator(
    *, shape: Sequence[int], channels: int, init_channels: int = 32, num_layers: int | None = None
) -> PatchDiscriminator:
    """Return a network that scores every patch of an image; the last of the tensors that it returns are the scores.

    Args:
        shape: size of the smallest image, 2D or 3D.
        channels: image channels.
        init_channels: feature channels of the first layer.
        num_layers: layers that halve the size; None: 3, or as many as ``shape`` allows.

    Raises:
        ConfigError: the layers leave nothing of an image.

    Example:
        >>> import torch
        >>> discriminator = build_patch_discriminator(shape=(16, 16), channels=1, init_channels=4)
        >>> discriminator(torch.randn(2, 1, 16, 16))[-1].shape
        torch.Size([2, 1, 2, 2])
    """
    most = max((count for count in range(1, _MOST_LAYERS + 1) if _output_size(min(shape), count) >= 1), default=0)
    layers = num_layers or max(1, min(_DEFAULT_LAYERS, most))
    if layers > most:
        what = f"is {layers}, which leaves nothing of an image of {'×'.join(map(str, shape))}"
        allowed = f"1 to {most}" if most else "images of at least 6 voxels along each axis"
        raise ConfigError(Problem("num_layers", what, allowed))
    return PatchDiscriminator(
        spatial_dims=len(shape),
        channels=init_channels,
        in_channels=channels,
        num_layers_d=layers,
        # Unlike batch statistics, these do not mix images, differ between processes, or need more than one voxel.
        norm=("GROUP", {"num_groups": 1, "affine": True}),
    )


def _output_size(size: int, layers: int) -> int:
    """Return the discriminator's output along an axis: ``layers`` halvings, then two layers that take one voxel."""
    for _ in range(layers):
        size = (size - 2) // 2 + 1 if size >= 2 else 0
    return size - 2
