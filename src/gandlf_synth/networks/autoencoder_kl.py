"""The autoencoder of latent diffusion (Rombach et al. 2022, arXiv 2112.10752): MONAI's network."""

from collections.abc import Sequence
from typing import Literal

from monai.networks.blocks.upsample import UpSample
from monai.networks.nets.autoencoderkl import AutoencoderKL
from torch import Tensor, nn

from gandlf_synth.batch_draws import draw_randn_like


class _Autoencoder(AutoencoderKL):
    """MONAI's network, with noise that does not depend on how many processes share a batch."""

    def sampling(self, z_mu: Tensor, z_sigma: Tensor) -> Tensor:
        """Return latents that are drawn from a normal distribution, ``(batch, channels, *shape)``."""
        return z_mu + draw_randn_like(z_sigma) * z_sigma


def build_autoencoder(
    *,
    spatial_dims: int,
    channels: int,
    num_channels: Sequence[int] = (32, 64, 64),
    num_res_blocks: Sequence[int] | int = 1,
    attention_levels: Sequence[bool] | None = None,
    latent_channels: int = 4,
    norm_num_groups: int = 16,
    norm_eps: float = 1e-6,
    with_encoder_nonlocal_attn: bool = False,
    with_decoder_nonlocal_attn: bool = False,
    activation_checkpointing: bool = False,
    upsampling: Literal["nearest", "linear"] = "nearest",
) -> AutoencoderKL:
    """Return an encoder to a normal distribution of latents, and a decoder.

    Args:
        spatial_dims: 2 or 3.
        channels: image channels.
        num_channels: feature channels at each resolution; every one after the first halves the size.
        num_res_blocks: residual blocks at each resolution.
        attention_levels: which resolutions have self-attention; None: none.
        latent_channels: channels of the latents.
        norm_num_groups: groups of the group normalization; must divide every entry of ``num_channels``.
        norm_eps: added to the variance in the group normalization.
        with_encoder_nonlocal_attn: self-attention at the end of the encoder.
        with_decoder_nonlocal_attn: self-attention at the start of the decoder.
        activation_checkpointing: compute activations again in the backward pass instead of keeping them.
        upsampling: how the decoder doubles the size before a convolution. It is no part of the weights: weights that
            were trained with one decode wrongly, without an error, with the other.

    Example:
        >>> import torch
        >>> autoencoder = build_autoencoder(spatial_dims=2, channels=1, num_channels=[8, 8], norm_num_groups=4)
        >>> mean, sigma = autoencoder.encode(torch.randn(2, 1, 16, 16))
        >>> mean.shape, autoencoder.decode(mean).shape
        (torch.Size([2, 4, 8, 8]), torch.Size([2, 1, 16, 16]))
    """
    network = _Autoencoder(
        spatial_dims=spatial_dims,
        in_channels=channels,
        out_channels=channels,
        num_res_blocks=num_res_blocks,
        channels=num_channels,
        attention_levels=attention_levels or [False] * len(num_channels),
        latent_channels=latent_channels,
        norm_num_groups=norm_num_groups,
        norm_eps=norm_eps,
        with_encoder_nonlocal_attn=with_encoder_nonlocal_attn,
        with_decoder_nonlocal_attn=with_decoder_nonlocal_attn,
        use_checkpoint=activation_checkpointing,
        use_flash_attention=True,
    )
    if upsampling == "linear":
        for part in network.modules():
            if isinstance(part, UpSample):
                set_upsampling(part, upsampling)
    return network


def set_upsampling(layer: UpSample, upsampling: Literal["nearest", "linear"]) -> None:
    """Let one of MONAI's layers double the size in another way.

    Args:
        layer: of a decoder.
        upsampling: how.
    """
    doubling: nn.Upsample = layer.upsample_non_trainable
    linear = {4: "bilinear", 5: "trilinear"}[layer.postconv.conv.weight.ndim]
    doubling.mode = linear if upsampling == "linear" else "nearest"
    doubling.align_corners = False if upsampling == "linear" else None
