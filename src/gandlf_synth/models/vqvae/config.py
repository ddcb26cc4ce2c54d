"""The configuration of ``vqvae``; defaults of the autoencoder are those of the existing GaNDLF-Synth."""

from collections.abc import Mapping, Sequence
from math import ceil, prod
from typing import ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from gandlf_synth.config import ArchitectureConfig, Component, Components, Setting, Size, Sized, Stretch
from gandlf_synth.models.components.reconstruction_config import ReconstructionConfig

_LEVELS = 3
_DOWN, _UP = [2, 4, 1, 1], [2, 4, 1, 1, 0]
_LONGEST_CODES = {2: 16, 3: 8}
"""Most codes along an axis: a prior has to learn how each goes with all others."""


class _Widths(NamedTuple):
    first: int
    most: int
    residual_layers: int
    codes: int
    embedding: int
    prior: int
    prior_layers: int


_WIDTHS: dict[Size, _Widths] = {
    "XS": _Widths(32, 64, 1, 128, 32, 48, 1),
    "S": _Widths(64, 128, 1, 256, 32, 64, 1),
    "M": _Widths(64, 192, 2, 512, 64, 96, 2),
    "L": _Widths(96, 256, 2, 512, 64, 128, 2),
    "XL": _Widths(128, 384, 3, 1024, 64, 192, 3),
}


_PRIOR_FRACTION = 0.7
"""The codes of an autoencoder are soon good enough, and it is their prior that needs the steps."""


class VQVAEArchitecture(ArchitectureConfig):
    """MONAI's VQVAE and the prior of its codes; lists have one entry per resolution, from the finest."""

    embedding_dim: int = Field(64, ge=1)
    """Length of a code's vector."""
    num_embeddings: int = Field(32, ge=2)
    """Codes in the codebook."""
    num_channels_upsample_downsample_layers: list[int] = Field([96, 96, 192], min_length=1)
    """Feature channels at each resolution."""
    num_residual_layers: int = Field(3, ge=1)
    """Residual units at each resolution."""
    num_residual_channels: list[int] = [96, 96, 192]
    """Feature channels inside the residual units."""
    downsample_conv_parameters: list[list[int]] = [_DOWN] * _LEVELS
    """``[stride, kernel size, dilation, padding]`` of each convolution that makes the image smaller."""
    upsample_conv_parameters: list[list[int]] = [_UP] * _LEVELS
    """``[stride, kernel size, dilation, padding, output padding]`` of each that makes it larger again."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout in the residual units."""
    loss_scaling_commitment_cost: float = Field(0.25, ge=0)
    """Weight of the distance between the encoder's output and its code."""
    EMA_decay: float = Field(0.5, ge=0, lt=1)
    """Decay of the moving averages that make the codebook."""
    epsilon: float = Field(1e-5, gt=0)
    """Added to the counts of the codes."""
    discriminator_channels: int = Field(32, ge=1)
    """Feature channels of the patch discriminator's first layer."""
    discriminator_num_layers: int | None = Field(None, ge=1)
    """Layers of the patch discriminator; absent: 3, or as many as the image size allows."""
    prior: Literal["masked", "autoregressive"] = "masked"
    """How new codes are drawn: many at a time, by a U-Net that fills in masked ones, or one after the other, by a
    transformer."""
    prior_channels: int = Field(64, ge=1)
    """Feature channels of the prior; of the U-Net, at the resolution of the codes."""
    prior_layers: int = Field(1, ge=1)
    """Residual blocks of the U-Net at each resolution, or layers of the transformer."""
    prior_heads: int = Field(4, ge=1)
    """Attention heads of the prior; must divide ``prior_channels``."""
    prior_dropout: float = Field(0.1, ge=0, lt=1)
    """Share of the codes that the prior sees replaced by any others while it learns, and of the transformer's features
    that are left out; without, it knows the codes of a few hundred images by heart."""

    @property
    def stride(self) -> int:
        """Voxels of the image per code, along each axis."""
        return prod(level[0] for level in self.downsample_conv_parameters)

    @model_validator(mode="after")
    def _lists_agree(self) -> Self:
        levels = len(self.num_channels_upsample_downsample_layers)
        for name in ("num_residual_channels", "downsample_conv_parameters", "upsample_conv_parameters"):
            count = len(getattr(self, name))
            if count != levels:
                raise ValueError(
                    f"{name} has {count} entries but num_channels_upsample_downsample_layers has {levels}; "
                    "they must be equal"
                )
        return self

    @model_validator(mode="after")
    def _sizes_come_back(self) -> Self:
        """Refuse convolutions after which an image has another size than before."""
        for down, up in zip(self.downsample_conv_parameters, reversed(self.upsample_conv_parameters), strict=True):
            if len(down) != len(_DOWN) or len(up) != len(_UP) or min(down[0], down[1], down[2], up[0]) < 1:
                raise ValueError(
                    f"{down} and {up} must be [stride, kernel, dilation, padding] and the same with an output padding, "
                    f"such as {_DOWN} and {_UP}"
                )
            size = 8 * down[0]
            smaller = (size + 2 * down[3] - down[2] * (down[1] - 1) - 1) // down[0] + 1
            back = (smaller - 1) * up[0] - 2 * up[3] + up[2] * (up[1] - 1) + up[4] + 1
            if smaller * down[0] != size or back != size:
                raise ValueError(
                    f"{down} makes {smaller} of {size} voxels and {up} makes {back} of them; both must be exact, such "
                    f"as {_DOWN} and {_UP}"
                )
        return self

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.prior_channels % self.prior_heads:
            nearest = max(n for n in range(1, self.prior_heads + 1) if self.prior_channels % n == 0)
            raise ValueError(
                f"prior_heads {self.prior_heads} does not divide prior_channels {self.prior_channels}; "
                f"the nearest that does is {nearest}"
            )
        return self


class VQVAEConfig(ReconstructionConfig):
    """The ``model_config`` section of ``vqvae``."""

    networks: ClassVar[tuple[str, ...]] = ("model", "prior", "discriminator")
    enough_steps: ClassVar[Mapping[Size, int]] = {"S": 2_000, "M": 6_000, "L": 20_000, "XL": 60_000}

    architecture: Sized[VQVAEArchitecture] = "auto"
    """The networks, or their size; ``auto``: for data, device and time."""
    losses: Components = Component(name="mse")
    """The error between an image and its reconstruction."""
    optimizers: Components = Component.model_validate({"name": "adamw", "lr": 5e-4, "weight_decay": 0.0})
    """The optimizer, or one each for the ``model`` (the autoencoder), the ``prior`` and the ``discriminator``."""
    structure_weight: float = Field(0.0, ge=0)
    """Weight of 1 - SSIM."""
    gradient_weight: float = Field(0.0, ge=0)
    """Weight of the absolute error of the image gradients, which keeps edges sharp."""
    adversarial_weight: float = Field(0.0, ge=0)
    """Weight of the verdict of a discriminator of patches, as a share of the pull of the other terms; 0: no
    discriminator is trained."""
    gradient_clip_val: float | None = Field(1.0, gt=0)
    """Largest norm (or value) of the gradients."""
    prior_fraction: float = Field(0.5, ge=0, le=1)
    """Share of the training, at its end, in which the prior learns the codes of the finished autoencoder; 1: both
    together from the start; 0: no prior, for reconstruction only."""
    temperature: float = Field(1.0, gt=0)
    """Below 1: likelier codes, less variety."""
    top_k: int | None = Field(None, ge=1)
    """Draw among this many likeliest codes only; absent: all."""
    num_inference_steps: int = Field(12, ge=1)
    """Passes of the masked prior for an image."""
    choice_temperature: float = Field(1.0, ge=0)
    """How much chance there is in which codes the masked prior keeps after a pass; 0: only the likeliest."""

    def choose_networks(self, setting: Setting, size: Size) -> dict[str, object]:
        """Return an autoencoder with few codes an image, what it learns by, and the prior of the codes."""
        widths, halvings = _WIDTHS[size], 1
        while ceil(setting.longest / 2**halvings) > _LONGEST_CODES[setting.dims]:
            halvings += 1
        channels = [min(widths.first * 2**level, widths.most) for level in range(halvings)]
        architecture = {
            "num_channels_upsample_downsample_layers": channels,
            "num_residual_channels": channels,
            "num_residual_layers": widths.residual_layers,
            "downsample_conv_parameters": [_DOWN] * halvings,
            "upsample_conv_parameters": [_UP] * halvings,
            "num_embeddings": widths.codes,
            "embedding_dim": widths.embedding,
            "EMA_decay": 0.95,
            "prior_channels": widths.prior,
            "prior_layers": widths.prior_layers,
            "prior_dropout": 0.0,
        }
        return {
            "architecture": architecture,
            "losses": {"name": "l1"},
            "structure_weight": 0.1,
            "gradient_weight": 0.1,
            "prior_fraction": _PRIOR_FRACTION,
            "optimizers": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.0},
        }

    def stretches(self) -> Sequence[Stretch]:
        """Return the autoencoder's time without and with its discriminator, and the prior's."""
        end = 1.0 if self.prior_fraction in (0, 1) else 1 - self.prior_fraction
        joins = end * (self.adversarial_start_fraction if self.adversarial_weight else 1.0)
        parts = [Stretch(joins, 0.0), Stretch(end - joins, (joins + end) / 2), Stretch(1 - end, 1.0)]
        return [part for part in parts if part.share > 0]
