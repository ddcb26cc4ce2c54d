"""The residual U-Net that turns images into images (Myronenko 2018, arXiv 1810.11654): MONAI's, for any size."""

from collections.abc import Sequence

from monai.networks.nets.segresnet import SegResNet
from torch import Tensor, nn

from gandlf_synth.networks.resampling import upsample
from gandlf_synth.networks.sizes import crop, pad_to_multiple


class _Doubling(nn.Module):
    """Doubles the size; unlike torch's, its derivative on a GPU can be deterministic."""

    def forward(self, features: Tensor) -> Tensor:
        return upsample(features, [2 * size for size in features.shape[2:]])


class ResidualUNet(nn.Module):
    """An encoder and a decoder of residual blocks, joined at every resolution.

    Groups of channels are normalized within the blocks only: what passes beside them, up to the last layer, keeps its
    brightness, which translation needs. Interpolation in the decoder leaves no checkerboard. Sizes that the resolutions
    do not divide are padded on the way in and cropped on the way out.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of what an image is made from.
        out_channels: channels of the image.
        init_channels: feature channels at the finest resolution; each coarser one has twice as many.
        blocks_down: residual blocks of the encoder at each resolution, finest first.
        blocks_up: residual blocks of the decoder at each resolution but the coarsest, coarsest first.
        norm_num_groups: groups of the group normalization; must divide ``init_channels``.
        dropout: share of the features of the first layer that are dropped in training.

    Example:
        >>> import torch
        >>> network = ResidualUNet(spatial_dims=2, in_channels=3, out_channels=1, init_channels=8, norm_num_groups=2)
        >>> network(torch.randn(2, 3, 21, 18)).shape
        torch.Size([2, 1, 21, 18])
    """

    def __init__(
        self,
        *,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        init_channels: int = 16,
        blocks_down: Sequence[int] = (1, 2, 2, 4),
        blocks_up: Sequence[int] = (1, 1, 1),
        norm_num_groups: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.stride = 2 ** (len(blocks_down) - 1)
        self.unet = SegResNet(
            spatial_dims=spatial_dims,
            init_filters=init_channels,
            in_channels=in_channels,
            out_channels=out_channels,
            dropout_prob=dropout or None,
            norm=("GROUP", {"num_groups": norm_num_groups}),
            blocks_down=tuple(blocks_down),
            blocks_up=tuple(blocks_up),
        )
        for layers in self.unet.up_samples:
            layers[1] = _Doubling()
        convolution = nn.Conv2d if spatial_dims == 2 else nn.Conv3d
        self.unet.conv_final = convolution(init_channels, out_channels, kernel_size=3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Return ``(batch, out_channels, *spatial)`` from ``images (batch, in_channels, *spatial)``, in 32 bits."""
        output: Tensor = self.unet(pad_to_multiple(images, self.stride))
        return crop(output, images.shape[2:]).float()
