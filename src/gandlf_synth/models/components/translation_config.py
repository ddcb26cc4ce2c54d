"""The networks of families that turn images into images, and their sizes; imports no torch."""

from typing import Self

from pydantic import Field, model_validator

from gandlf_synth.config import ArchitectureConfig, Setting, Size

_CHANNELS: dict[int, dict[Size, int]] = {
    2: {"XS": 16, "S": 32, "M": 64, "L": 96, "XL": 128},
    3: {"XS": 8, "S": 16, "M": 32, "L": 48, "XL": 64},
}
"""Feature channels at the finest resolution."""
_CHANNELS_PER_GROUP = 4
"""At the finest resolution: with one channel a group, brightness and contrast do not come through."""
_MOST_LEVELS, _COARSEST = 4, 4
_THIN = ("XS",)


class TranslatorArchitecture(ArchitectureConfig):
    """A residual U-Net (MONAI's SegResNet) and the discriminator of patches."""

    init_channels: int = Field(32, ge=1)
    """Feature channels at the finest resolution; each coarser one, half the size, has twice as many."""
    blocks_down: list[int] = Field([1, 2, 2, 4], min_length=1)
    """Residual blocks of the encoder at each resolution, from the finest to the coarsest."""
    blocks_up: list[int] | None = None
    """Residual blocks of the decoder at each resolution but the coarsest, coarsest first; absent: one at each."""
    norm_num_groups: int = Field(8, ge=1)
    """Groups of the group normalization; must divide ``init_channels``."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the features of the first layer that are dropped in training."""
    discriminator_channels: int = Field(32, ge=1)
    """Feature channels of the patch discriminator's first layer."""
    discriminator_num_layers: int | None = Field(None, ge=1)
    """Layers of the patch discriminator; absent: 3, or as many as the image size allows."""

    @property
    def decoder_blocks(self) -> list[int]:
        """Residual blocks of the decoder, as written or by default."""
        return [1] * (len(self.blocks_down) - 1) if self.blocks_up is None else self.blocks_up

    @model_validator(mode="after")
    def _blocks_agree(self) -> Self:
        levels, written = len(self.blocks_down), self.decoder_blocks
        if min([*self.blocks_down, *written]) < 1:
            raise ValueError("blocks_down and blocks_up must have at least one block at each resolution")
        if len(written) != levels - 1:
            raise ValueError(
                f"blocks_up has {len(written)} entries but must have {levels - 1}, one fewer than blocks_down"
            )
        return self

    @model_validator(mode="after")
    def _groups_divide(self) -> Self:
        channels, groups = self.init_channels, self.norm_num_groups
        if channels % groups:
            nearest = max(group for group in range(1, groups + 1) if channels % group == 0)
            raise ValueError(f"norm_num_groups {groups} does not divide init_channels {channels}; {nearest} does")
        return self


def translator_keys(setting: Setting, size: Size) -> dict[str, object]:
    """Return the keys of ``architecture`` of a translator of a ``size``.

    >>> translator_keys(Setting([64, 48], on_gpu=False), "XS")
    {'init_channels': 16, 'blocks_down': [1, 1, 1, 2], 'norm_num_groups': 4}
    """
    channels, levels = _CHANNELS[setting.dims][size], count_levels(setting)
    each = 1 if size in _THIN else 2
    blocks = [1, *[each] * (levels - 1)]
    blocks[-1] = 2 * each
    return {
        "init_channels": channels,
        "blocks_down": blocks,
        "norm_num_groups": max(1, channels // _CHANNELS_PER_GROUP),
    }


def count_levels(setting: Setting) -> int:
    """Return the number of resolutions: up to four, the coarsest of at least 4 voxels along the shortest side."""
    levels = 1
    while levels < _MOST_LEVELS and min(setting.shape) >= _COARSEST * 2**levels:
        levels += 1
    return levels
