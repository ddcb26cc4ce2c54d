"""The built-in denoiser: MONAI's diffusion U-Net for images of any size, with conditions."""

from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.nets.diffusion_model_unet import DiffusionModelUNet
from torch import Tensor, nn
from torch.nn import functional

from gandlf_synth.networks.block_dropout import add_dropout

_DEFAULT_CONTEXT_SIZE = 64


class _ConditionEmbedding(nn.Module):
    """Embeds class and numbers together, where the U-Net looks for the embedding of a class."""

    def __init__(self, classes: nn.Embedding | None, size: int, width: int) -> None:
        super().__init__()
        self.classes = classes
        self.numbers = nn.Sequential(nn.Linear(size, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, condition: tuple[Tensor, Tensor]) -> Tensor:
        class_labels, vector = condition
        embedding: Tensor = self.numbers(vector)
        return embedding if self.classes is None else embedding + self.classes(class_labels)


class UNetDenoiser(nn.Module):
    """Predicts noise, clean image, v or velocity from a noisy image, with a U-Net (Ho et al. 2020, appendix B).

    Sizes that the network's resolutions do not divide are padded on the way in and cropped on the way out.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the noisy image.
        out_channels: channels of the prediction; None: ``in_channels``.
        num_channels: feature channels at each resolution, from the finest to the coarsest.
        attention_levels: which resolutions have self-attention.
        num_res_blocks: residual blocks at each resolution, one number for all or one for each.
        norm_num_groups: groups of the group normalization; must divide every entry of ``num_channels``.
        norm_eps: added to the variance in the group normalization.
        resblock_updown: change resolution in residual blocks instead of convolutions.
        num_head_channels: channels of each attention head, one number for all resolutions or one for each.
        with_conditioning: condition by cross-attention to the class instead of adding the class to the timestep.
        transformer_num_layers: layers of each cross-attention block.
        cross_attention_dim: size of the class vector for cross-attention; None: 64.
        num_class_embeds: room for classes; None: ``num_classes`` and one for no class.
        upcast_attention: compute attention in 32 bits whatever the precision.
        cross_attention_dropout: dropout in cross-attention.
        dropout: dropout in residual blocks.
        num_classes: 0 without classes; the label ``num_classes`` then stands for no class.
        vector_size: numbers that condition the image besides its class; 0 without.
        condition_channels: channels of images that condition it, concatenated to the noisy image; 0 without.

    Example:
        >>> denoiser = UNetDenoiser(
        ...     spatial_dims=2, in_channels=1, num_channels=(8, 8), attention_levels=(False, True), norm_num_groups=4,
        ...     num_classes=3,
        ... )
        >>> noisy, timesteps = torch.randn(2, 1, 9, 7), torch.tensor([0, 500])
        >>> denoiser(noisy, timesteps, class_labels=torch.tensor([2, -1])).shape
        torch.Size([2, 1, 9, 7])
    """

    def __init__(
        self,
        *,
        spatial_dims: int,
        in_channels: int,
        out_channels: int | None = None,
        num_channels: Sequence[int] = (32, 64, 64, 64),
        attention_levels: Sequence[bool] = (False, False, True, True),
        num_res_blocks: Sequence[int] | int = 2,
        norm_num_groups: int = 32,
        norm_eps: float = 1e-6,
        resblock_updown: bool = False,
        num_head_channels: Sequence[int] | int = 8,
        with_conditioning: bool = False,
        transformer_num_layers: int = 1,
        cross_attention_dim: int | None = None,
        num_class_embeds: int | None = None,
        upcast_attention: bool = False,
        cross_attention_dropout: float = 0.0,
        dropout: float = 0.0,
        num_classes: int = 0,
        vector_size: int = 0,
        condition_channels: int = 0,
    ) -> None:
        super().__init__()
        levels = len(num_channels)
        self.stride = 2 ** (levels - 1)
        self.null_label = num_classes
        self.vector_size, self.condition_channels = vector_size, condition_channels
        embeddings = num_class_embeds or num_classes + 1
        context_size = cross_attention_dim or _DEFAULT_CONTEXT_SIZE
        self.context = nn.Embedding(embeddings, context_size) if with_conditioning else None
        by_addition = num_classes > 0 and not with_conditioning
        self.unet = DiffusionModelUNet(
            spatial_dims=spatial_dims,
            in_channels=in_channels + condition_channels,
            out_channels=in_channels if out_channels is None else out_channels,
            num_res_blocks=num_res_blocks,
            channels=num_channels,
            attention_levels=attention_levels,
            norm_num_groups=norm_num_groups,
            norm_eps=norm_eps,
            resblock_updown=resblock_updown,
            num_head_channels=[num_head_channels] * levels if isinstance(num_head_channels, int) else num_head_channels,
            with_conditioning=with_conditioning,
            transformer_num_layers=transformer_num_layers,
            cross_attention_dim=context_size if with_conditioning else None,
            num_class_embeds=embeddings if by_addition else None,
            upcast_attention=upcast_attention,
            dropout_cattn=cross_attention_dropout,
            use_flash_attention=not upcast_attention,
        )
        if dropout:
            add_dropout(self.unet, dropout)
        self.num_class_embeds = embeddings if by_addition else 0
        if vector_size:
            embed_vectors(self.unet, vector_size)

    @property
    def sharding_blocks(self) -> list[nn.Module]:
        """The halves of the network, level by level, and its middle; see ``networks.sharding``."""
        return [*self.unet.down_blocks, self.unet.middle_block, *self.unet.up_blocks]

    def forward(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        class_labels: Tensor | None = None,
        vector: Tensor | None = None,
        channels: Tensor | None = None,
        residuals: tuple[tuple[Tensor, ...], Tensor] | None = None,
    ) -> Tensor:
        """Return the prediction, ``(batch, out_channels, *spatial)`` of the size of ``noisy``, in 32 bits.

        Args:
            noisy: noisy images, ``(batch, in_channels, *spatial)``.
            timesteps: ``(batch,)``, whole or not.
            class_labels: ``(batch,)``, class indices; negative, ``num_classes`` or None: no class.
            vector: ``(batch, vector_size)``; None: nothing is known.
            channels: ``(batch, condition_channels, *spatial)``; None: nothing is known.
            residuals: what a branch adds to the features of the first half and of the middle.
        """
        embedded, context = self.embedded(noisy, timesteps, class_labels, vector)
        size = noisy.shape[2:]
        if self.condition_channels:
            if channels is None:
                channels = noisy.new_zeros(len(noisy), self.condition_channels, *size)
            noisy = torch.cat([noisy, channels], 1)
        down, middle = residuals or (None, None)
        output = self.unet(
            functional.pad(noisy, self.padding(size)), timesteps, context=context, class_labels=embedded,
            down_block_additional_residuals=down, mid_block_additional_residual=middle,
        )  # fmt: skip
        inside = (..., *(slice(length) for length in size))
        return output[inside].float()  # type: ignore[no-any-return]

    def embedded(
        self, noisy: Tensor, timesteps: Tensor, class_labels: Tensor | None, vector: Tensor | None
    ) -> tuple[Tensor | tuple[Tensor, Tensor] | None, Tensor | None]:
        """Return class and numbers as the U-Net embeds them, and the context of its cross-attention."""
        if class_labels is None:
            class_labels = torch.full_like(timesteps, self.null_label, dtype=torch.long)
        class_labels = torch.where(class_labels < 0, self.null_label, class_labels)
        context = None if self.context is None else self.context(class_labels)[:, None]
        if self.vector_size:
            return (class_labels, noisy.new_zeros(len(noisy), self.vector_size) if vector is None else vector), context
        return class_labels if self.num_class_embeds else None, context

    def padding(self, size: Sequence[int]) -> list[int]:
        """Return what brings ``size`` to one that the network's resolutions divide, as ``pad`` takes it."""
        return [extra for length in reversed(size) for extra in (0, -length % self.stride)]


def embed_vectors(network: nn.Module, vector_size: int) -> None:
    """Add an embedding of the condition's numbers to that of the timestep, beside the class's where there is one.

    MONAI's ``with_conditioning`` would take self-attention away.

    Args:
        network: MONAI's diffusion U-Net or ControlNet.
        vector_size: how many numbers there are.
    """
    unet: Any = network
    classes = unet.class_embedding if unet.num_class_embeds else None
    unet.class_embedding = _ConditionEmbedding(classes, vector_size, unet.time_embed[-1].out_features)
    unet.num_class_embeds = unet.num_class_embeds or 1  # what makes the network ask for an embedding
