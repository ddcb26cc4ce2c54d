"""The configuration of ``autoencoder_kl``."""

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from gandlf_synth.config import THIN, ArchitectureConfig, Component, Components, Setting, Size, Sized
from gandlf_synth.models.components.reconstruction_config import ReconstructionConfig

_WIDTHS: dict[int, dict[Size, tuple[int, int, int]]] = {
    2: {"XS": (16, 32, 64), "S": (32, 64, 96), "M": (64, 128, 128), "L": (64, 128, 256), "XL": (128, 256, 384)},
    3: {"XS": (8, 16, 32), "S": (16, 32, 64), "M": (32, 64, 96), "L": (32, 64, 128), "XL": (64, 128, 256)},
}
_RATE_OF_THIN = 1e-3
"""Thin networks, which short trainings have, learn twice as fast."""
_CHANNELS_PER_GROUP = 4
"""At the finest resolution: with one channel a group, brightness and contrast do not come through."""
_LONGEST_QUARTERED = {2: 160, 3: 96}
"""Larger images become latents of an eighth of the size instead of a quarter."""


class AutoencoderKLArchitecture(ArchitectureConfig):
    """MONAI's AutoencoderKL; lists have one entry per resolution, from the finest to the coarsest."""

    num_channels: list[int] = Field([32, 64, 64], min_length=1)
    """Feature channels at each resolution; every one after the first halves the size."""
    num_res_blocks: list[int] | int = 1
    """Residual blocks at each resolution."""
    attention_levels: list[bool] | None = None
    """Which resolutions have self-attention; absent: none."""
    latent_channels: int = Field(4, ge=1)
    """Channels of the latents."""
    norm_num_groups: int = Field(16, ge=1)
    """Groups of the group normalization; must divide every entry of ``num_channels``."""
    norm_eps: float = Field(1e-6, gt=0)
    """Added to the variance in the group normalization."""
    with_encoder_nonlocal_attn: bool = False
    """Self-attention at the end of the encoder."""
    with_decoder_nonlocal_attn: bool = False
    """Self-attention at the start of the decoder."""
    activation_checkpointing: bool = False
    """Compute activations again in the backward pass instead of keeping them: less memory, a third more time."""
    upsampling: Literal["nearest", "linear"] = "nearest"
    """How the decoder doubles the size; no part of the weights, so that those of another program need their own."""
    value_range: tuple[float, float] = (-1.0, 1.0)
    """What the network takes for the darkest and the brightest value; weights of other programs often want [0, 1]."""
    discriminator_channels: int = Field(32, ge=1)
    """Feature channels of the patch discriminator's first layer."""
    discriminator_num_layers: int | None = Field(None, ge=1)
    """Layers of the patch discriminator; absent: 3, or as many as the image size allows."""

    @property
    def stride(self) -> int:
        """Voxels of the image per voxel of the latents, along each axis."""
        return int(2 ** (len(self.num_channels) - 1))

    @model_validator(mode="after")
    def _range_rises(self) -> Self:
        if self.value_range[0] >= self.value_range[1]:
            raise ValueError(f"value_range {list(self.value_range)} must go from the lower to the higher value")
        return self

    @model_validator(mode="after")
    def _levels_agree(self) -> Self:
        for name in ("attention_levels", "num_res_blocks"):
            value, levels = getattr(self, name), len(self.num_channels)
            if isinstance(value, list) and len(value) != levels:
                raise ValueError(f"{name} has {len(value)} entries but num_channels has {levels}; they must be equal")
        return self

    @model_validator(mode="after")
    def _groups_divide(self) -> Self:
        groups = self.norm_num_groups
        for channels in self.num_channels:
            if channels < 1 or channels % groups:
                divisors = [g for g in range(1, groups + 1) if all(c > 0 and c % g == 0 for c in self.num_channels)]
                nearest = f"; the nearest that does is {divisors[-1]}" if divisors else ""
                raise ValueError(f"norm_num_groups {groups} does not divide num_channels {self.num_channels}{nearest}")
        return self


class AutoencoderKLConfig(ReconstructionConfig):
    """The ``model_config`` section of ``autoencoder_kl``."""

    networks: ClassVar[tuple[str, ...]] = ("generator", "discriminator")
    patches: ClassVar[bool] = True
    enough_steps: ClassVar[Mapping[Size, int]] = {"S": 1_000, "M": 3_000, "L": 10_000, "XL": 30_000}

    architecture: Sized[AutoencoderKLArchitecture] = "auto"
    """The networks, or their size; ``auto``: for data, device and time."""
    losses: Components = Component(name="l1")
    """The error between an image and its reconstruction."""
    optimizers: Components = Component.model_validate({"name": "adamw", "lr": 5e-4, "weight_decay": 0.0})
    """The optimizer, or one for the ``generator`` (the autoencoder) and one for the ``discriminator``."""
    gradient_clip_val: float | None = Field(1.0, gt=0)
    """Largest norm (or value) of the gradients."""
    kl_weight: float = Field(1e-6, ge=0)
    """Weight of the divergence of the latents from a standard normal, summed per image and divided by its voxels."""
    kl_warmup_fraction: float = Field(0.1, ge=0, le=1)
    """Share of the training over which ``kl_weight`` rises from 0."""
    tile_shape: list[int] | None = None
    """Encode and decode in windows of this many voxels, for volumes larger than memory; absent: in one go."""
    tile_overlap_fraction: float = Field(0.25, ge=0, lt=1)
    """Share of a window that its neighbor repeats; repeated voxels are blended."""

    @model_validator(mode="after")
    def _tiles_fit(self) -> Self:
        if isinstance(self.architecture, str):
            return self
        stride = self.architecture.stride
        tile = self.tile_shape or []
        if any(size < 1 or size % stride for size in tile):
            near = [max(stride, round(size / stride) * stride) for size in tile]
            raise ValueError(f"tile_shape {tile} must be multiples of {stride}; the nearest are {near}")
        if self.tile_shape and self.tensor_shape != "auto" and len(tile) != len(self.tensor_shape):
            raise ValueError(f"tile_shape {tile} has {len(tile)} numbers, but tensor_shape {len(self.tensor_shape)}")
        return self

    def private_problem(self) -> str | None:
        """Return that a discriminator learns from images too, where there is one."""
        return (
            "its discriminator learns from images too; set adversarial_weight: 0" if self.adversarial_weight else None
        )

    def choose_networks(self, setting: Setting, size: Size) -> dict[str, object]:
        """Return an autoencoder whose latents are a quarter of the size along each axis, of large images an eighth.

        With latents of half the size volumes of 32 a side came back with 26.3 dB instead of 21.6, but a diffusion of
        these latents had lost the anatomy after as much time (benchmarks.quality).
        """
        widths = list(_WIDTHS[setting.dims][size])
        if setting.longest > _LONGEST_QUARTERED[setting.dims]:
            widths.append(widths[-1])
        architecture = {"num_channels": widths, "norm_num_groups": widths[0] // _CHANNELS_PER_GROUP}
        if size not in THIN:
            return {"architecture": architecture}
        return {"architecture": architecture, "optimizers": {"name": "adamw", "lr": _RATE_OF_THIN, "weight_decay": 0.0}}
