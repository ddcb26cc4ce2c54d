"""The autoencoder and its discriminator: MONAI's networks for any size."""

from collections.abc import Sequence

from monai.networks.nets.autoencoderkl import AutoencoderKL as Network
from monai.networks.nets.patchgan_discriminator import PatchDiscriminator

from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.models.autoencoder_kl.config import AutoencoderKLArchitecture

_MOST_LAYERS = 3


def build_autoencoder(architecture: AutoencoderKLArchitecture, spatial_dims: int, channels: int) -> Network:
    """Return the autoencoder of images with ``channels``."""
    levels = len(architecture.num_channels)
    return Network(
        spatial_dims=spatial_dims,
        in_channels=channels,
        out_channels=channels,
        num_res_blocks=architecture.num_res_blocks,
        channels=architecture.num_channels,
        attention_levels=architecture.attention_levels or [False] * levels,
        latent_channels=architecture.latent_channels,
        norm_num_groups=architecture.norm_num_groups,
        norm_eps=architecture.norm_eps,
        with_encoder_nonlocal_attn=architecture.with_encoder_nonlocal_attn,
        with_decoder_nonlocal_attn=architecture.with_decoder_nonlocal_attn,
        use_checkpoint=architecture.activation_checkpointing,
        use_flash_attention=True,
    )


def build_discriminator(
    architecture: AutoencoderKLArchitecture, spatial_dims: int, channels: int, shape: Sequence[int]
) -> PatchDiscriminator:
    """Return the patch discriminator (Isola et al. 2017, arXiv 1611.07004) of images of ``shape``.

    Raises:
        ConfigError: the configured layers leave nothing of an image.
    """
    most = max((n for n in range(1, _MOST_LAYERS + 3) if _output_size(min(shape), n) >= 1), default=0)
    layers = architecture.discriminator_num_layers or max(1, min(_MOST_LAYERS, most))
    if layers > most:
        what = f"is {layers}, which leaves nothing of an image of {'×'.join(map(str, shape))}"
        allowed = f"1 to {most}" if most else "images of at least 6 voxels along each axis"
        raise ConfigError(Problem("model_config.architecture.discriminator_num_layers", what, allowed))
    return PatchDiscriminator(
        spatial_dims=spatial_dims,
        channels=architecture.discriminator_channels,
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
