"""The autoencoder with a codebook (van den Oord et al. 2017, arXiv 1711.00937): MONAI's network."""

from collections.abc import Sequence

from monai.networks.nets.vqvae import VQVAE

_LEVELS = 3
_DOWN, _UP = (2, 4, 1, 1), (2, 4, 1, 1, 0)


def build_vqvae(
    *,
    spatial_dims: int,
    channels: int,
    num_channels: Sequence[int] = (96, 96, 192),
    num_residual_layers: int = 3,
    num_residual_channels: Sequence[int] = (96, 96, 192),
    downsample_conv_parameters: Sequence[Sequence[int]] = (_DOWN,) * _LEVELS,
    upsample_conv_parameters: Sequence[Sequence[int]] = (_UP,) * _LEVELS,
    num_embeddings: int = 32,
    embedding_dim: int = 64,
    commitment_cost: float = 0.25,
    decay: float = 0.5,
    epsilon: float = 1e-5,
    dropout: float = 0.0,
) -> VQVAE:
    """Return an encoder, a codebook and a decoder.

    Args:
        spatial_dims: 2 or 3.
        channels: image channels.
        num_channels: feature channels at each resolution, from the finest.
        num_residual_layers: residual units at each resolution.
        num_residual_channels: feature channels inside the residual units.
        downsample_conv_parameters: ``(stride, kernel size, dilation, padding)`` of each convolution that makes the
            image smaller.
        upsample_conv_parameters: ``(stride, kernel size, dilation, padding, output padding)`` of each that makes it
            larger again.
        num_embeddings: codes in the codebook.
        embedding_dim: length of a code's vector.
        commitment_cost: weight of the distance between the encoder's output and its code.
        decay: of the moving averages that make the codebook.
        epsilon: added to the counts of the codes.
        dropout: in the residual units.

    Example:
        >>> import torch
        >>> widths = {"num_channels": [8], "num_residual_channels": [8], "embedding_dim": 4}
        >>> steps = {"downsample_conv_parameters": [(2, 4, 1, 1)], "upsample_conv_parameters": [(2, 4, 1, 1, 0)]}
        >>> vqvae = build_vqvae(spatial_dims=2, channels=1, **widths, **steps)
        >>> vqvae.index_quantize(torch.randn(2, 1, 16, 16)).shape
        torch.Size([2, 8, 8])
    """
    return VQVAE(
        spatial_dims=spatial_dims,
        in_channels=channels,
        out_channels=channels,
        channels=num_channels,
        num_res_layers=num_residual_layers,
        num_res_channels=num_residual_channels,
        downsample_parameters=[tuple(level) for level in downsample_conv_parameters],
        upsample_parameters=[tuple(level) for level in upsample_conv_parameters],
        num_embeddings=num_embeddings,
        embedding_dim=embedding_dim,
        commitment_cost=commitment_cost,
        decay=decay,
        epsilon=epsilon,
        dropout=dropout,
    )
