"""The denoiser: MONAI's diffusion U-Net for any size, with classes."""

from collections.abc import Sequence

import torch
from monai.networks.nets.diffusion_model_unet import DiffusionModelUNet
from torch import Tensor, nn
from torch.nn import functional

from gandlf_synth.models.base import ExportedNetwork
from gandlf_synth.models.components.denoiser_config import UNetArchitecture

_DEFAULT_CONTEXT_SIZE = 64


class Denoiser(nn.Module):
    """Predicts noise, clean image or v from a noisy image.

    Sizes that the network's resolutions do not divide are padded on the way in and cropped on the way out.

    Args:
        architecture: the U-Net.
        spatial_dims: 2 or 3.
        channels: image channels.
        num_classes: 0 without labels; the label ``num_classes`` then stands for no class.
    """

    def __init__(self, architecture: UNetArchitecture, spatial_dims: int, channels: int, num_classes: int) -> None:
        super().__init__()
        self.stride = 2 ** (len(architecture.num_channels) - 1)
        self.null_label = num_classes
        self.channels = channels
        embeddings = architecture.num_class_embeds or num_classes + 1
        self.context = self._context(architecture, embeddings)
        by_addition = num_classes > 0 and self.context is None
        self.unet = DiffusionModelUNet(
            spatial_dims=spatial_dims,
            in_channels=channels,
            out_channels=channels,
            num_res_blocks=architecture.num_res_blocks,
            channels=architecture.num_channels,
            attention_levels=architecture.attention_levels,
            norm_num_groups=architecture.norm_num_groups,
            norm_eps=architecture.norm_eps,
            resblock_updown=architecture.resblock_updown,
            num_head_channels=architecture.heads,
            with_conditioning=self.context is not None,
            transformer_num_layers=architecture.transformer_num_layers,
            cross_attention_dim=self.context.embedding_dim if self.context is not None else None,
            num_class_embeds=embeddings if by_addition else None,
            upcast_attention=architecture.upcast_attention,
            dropout_cattn=architecture.cross_attention_dropout,
            use_flash_attention=not architecture.upcast_attention,
        )

    @staticmethod
    def _context(architecture: UNetArchitecture, embeddings: int) -> nn.Embedding | None:
        if not architecture.with_conditioning:
            return None
        return nn.Embedding(embeddings, architecture.cross_attention_dim or _DEFAULT_CONTEXT_SIZE)

    def forward(self, noisy: Tensor, timesteps: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the prediction, of the shape of ``noisy (batch, channels, *spatial)``, in 32 bits.

        Args:
            noisy: noisy images.
            timesteps: ``(batch,)``, whole or not.
            labels: ``(batch,)``, class indices; ``null_label`` or None: no class.
        """
        if labels is None:
            labels = torch.full_like(timesteps, self.null_label, dtype=torch.long)
        padding = [extra for size in reversed(noisy.shape[2:]) for extra in (0, -size % self.stride)]
        output = self.unet(
            functional.pad(noisy, padding),
            timesteps,
            context=None if self.context is None else self.context(labels)[:, None],
            class_labels=labels if self.unet.num_class_embeds else None,
        )
        inside = (..., *(slice(size) for size in noisy.shape[2:]))
        return output[inside].float()  # type: ignore[no-any-return]

    def exported(self, shape: Sequence[int]) -> ExportedNetwork:
        """Return the denoiser with an example of its inputs: ``(noisy, timesteps)``, and classes where it has them."""
        inputs = (torch.randn(2, self.channels, *shape), torch.tensor([3, 7]))
        return ExportedNetwork(
            self.eval(), (*inputs, torch.tensor([0, self.null_label])) if self.null_label else inputs
        )
