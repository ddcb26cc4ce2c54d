"""The denoiser: MONAI's diffusion U-Net for any size, with classes."""

from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.nets.diffusion_model_unet import DiffusionModelUNet
from torch import Tensor, nn
from torch.nn import functional

from gandlf_synth.models.base import ExportedNetwork
from gandlf_synth.models.components.denoiser_config import UNetArchitecture

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


class Denoiser(nn.Module):
    """Predicts noise, clean image or v from a noisy image.

    Sizes that the network's resolutions do not divide are padded on the way in and cropped on the way out.

    Args:
        architecture: the U-Net.
        spatial_dims: 2 or 3.
        channels: image channels.
        num_classes: 0 without classes; the label ``num_classes`` then stands for no class.
        vector_size: numbers that condition the image besides its class; 0 without.
    """

    def __init__(
        self,
        architecture: UNetArchitecture,
        spatial_dims: int,
        channels: int,
        num_classes: int = 0,
        vector_size: int = 0,
    ) -> None:
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
        self.vector_size = vector_size
        if vector_size:
            self._embed_vectors(vector_size)

    def _embed_vectors(self, size: int) -> None:
        """Add an embedding of the condition's numbers to that of the timestep, beside the class's where there is one.

        MONAI's ``with_conditioning`` would take self-attention away.
        """
        classes = self.unet.class_embedding if self.unet.num_class_embeds else None
        width: int = self.unet.time_embed[-1].out_features
        self.unet.class_embedding = _ConditionEmbedding(classes, size, width)
        self.unet.num_class_embeds = self.unet.num_class_embeds or 1  # what makes the network ask for an embedding

    @staticmethod
    def _context(architecture: UNetArchitecture, embeddings: int) -> nn.Embedding | None:
        if not architecture.with_conditioning:
            return None
        return nn.Embedding(embeddings, architecture.cross_attention_dim or _DEFAULT_CONTEXT_SIZE)

    def forward(
        self,
        noisy: Tensor,
        timesteps: Tensor,
        class_labels: Tensor | None = None,
        vector: Tensor | None = None,
    ) -> Tensor:
        """Return the prediction, of the shape of ``noisy (batch, channels, *spatial)``, in 32 bits.

        Args:
            noisy: noisy images.
            timesteps: ``(batch,)``, whole or not.
            class_labels: ``(batch,)``, class indices; negative, ``null_label`` or None: no class.
            vector: ``(batch, vector_size)``; None: nothing is known.
        """
        if class_labels is None:
            class_labels = torch.full_like(timesteps, self.null_label, dtype=torch.long)
        class_labels = torch.where(class_labels < 0, self.null_label, class_labels)
        embedded: Any = class_labels if self.unet.num_class_embeds else None
        if self.vector_size:
            if vector is None:
                vector = noisy.new_zeros(len(noisy), self.vector_size)
            embedded = (class_labels, vector)
        padding = [extra for size in reversed(noisy.shape[2:]) for extra in (0, -size % self.stride)]
        output = self.unet(
            functional.pad(noisy, padding),
            timesteps,
            context=None if self.context is None else self.context(class_labels)[:, None],
            class_labels=embedded,
        )
        inside = (..., *(slice(size) for size in noisy.shape[2:]))
        return output[inside].float()  # type: ignore[no-any-return]

    def exported(self, shape: Sequence[int]) -> ExportedNetwork:
        """Return the denoiser with an example of its inputs: ``(noisy, timesteps)``, and classes where it has them."""
        inputs = (torch.randn(2, self.channels, *shape), torch.tensor([3, 7]))
        return ExportedNetwork(
            self.eval(), (*inputs, torch.tensor([0, self.null_label])) if self.null_label else inputs
        )
