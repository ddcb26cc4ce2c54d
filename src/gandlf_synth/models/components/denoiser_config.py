"""The configuration of the denoiser that diffusion families share; defaults are those of the existing GaNDLF-Synth."""

from typing import Self

from pydantic import Field, model_validator

from gandlf_synth.config import ArchitectureConfig


class UNetArchitecture(ArchitectureConfig):
    """MONAI's DiffusionModelUNet; lists have one entry per resolution, from the finest to the coarsest."""

    num_res_blocks: list[int] | int = [2, 2, 2, 2]
    """Residual blocks at each resolution."""
    num_channels: list[int] = [32, 64, 64, 64]
    """Feature channels at each resolution."""
    attention_levels: list[bool] = [False, False, True, True]
    """Which resolutions have self-attention; its cost grows with the square of the number of voxels there."""
    norm_num_groups: int = Field(32, ge=1)
    """Groups of the group normalisation; must divide every entry of ``num_channels``."""
    norm_eps: float = Field(1e-6, gt=0)
    """Added to the variance in the group normalisation."""
    resblock_updown: bool = False
    """Change resolution in residual blocks instead of convolutions."""
    num_head_channels: int | list[int] = 8
    """Channels of each attention head; must divide ``num_channels`` where there is attention."""
    with_conditioning: bool = False
    """Condition by cross-attention to the class instead of adding the class to the timestep."""
    transformer_num_layers: int = Field(1, ge=1)
    """Layers of each cross-attention block."""
    cross_attention_dim: int | None = Field(None, ge=1)
    """Size of the class vector for cross-attention; absent: 64."""
    num_class_embeds: int | None = Field(None, ge=1)
    """Room for classes; absent: the classes of the data and one for none."""
    upcast_attention: bool = False
    """Compute attention in 32 bits whatever the precision."""
    cross_attention_dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout in cross-attention."""

    @model_validator(mode="after")
    def _stages_agree(self) -> Self:
        levels = len(self.num_channels)
        if levels == 0:
            raise ValueError("num_channels must have at least one entry")
        for name in ("attention_levels", "num_res_blocks", "num_head_channels"):
            value = getattr(self, name)
            if isinstance(value, list) and len(value) != levels:
                raise ValueError(f"{name} has {len(value)} entries but num_channels has {levels}; they must be equal")
        return self

    @model_validator(mode="after")
    def _groups_divide(self) -> Self:
        for channels in self.num_channels:
            if channels % self.norm_num_groups:
                best = max(group for group in range(1, self.norm_num_groups + 1) if self._divides_all(group))
                raise ValueError(
                    f"norm_num_groups {self.norm_num_groups} does not divide num_channels {self.num_channels}; "
                    f"the nearest that does is {best}"
                )
        return self

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        heads = self.heads
        for channels, attends, size in zip(self.num_channels, self.attention_levels, heads, strict=True):
            if attends and (size < 1 or channels % size):
                raise ValueError(f"num_head_channels {size} does not divide the {channels} channels of its level")
        return self

    def _divides_all(self, group: int) -> bool:
        return all(channels % group == 0 for channels in self.num_channels)

    @property
    def heads(self) -> list[int]:
        """Channels of each attention head, per level."""
        single = isinstance(self.num_head_channels, int)
        return [self.num_head_channels] * len(self.num_channels) if single else list(self.num_head_channels)  # type: ignore[list-item, arg-type]
