"""Diffusion U-Nets of every size: how many resolutions, how wide, where they attend; imports no torch."""

from math import gcd

from gandlf_synth.config import THIN, Setting, Size

_WIDTHS: dict[int, dict[Size, int]] = {
    2: {"XS": 16, "S": 32, "M": 64, "L": 96, "XL": 128},
    3: {"XS": 8, "S": 16, "M": 32, "L": 48, "XL": 64},
}
"""Feature channels at the finest resolution: they double with each coarser one, up to four times as many."""
_RATES: dict[Size, float] = {"XS": 2e-3, "S": 1e-3, "M": 5e-4, "L": 3e-4, "XL": 2e-4}
_CHANNELS_PER_GROUP, _FEWEST_PER_GROUP = 4, 2
_WIDEST = 256
_COARSEST = {2: 16, 3: 12}
_SMALLEST = 4
_FEWEST_LEVELS = 3
_ATTENTION_AT = 32**2
"""Most voxels of a resolution at which a GPU attends: 32×32, or 10×10×10."""


def unet_keys(setting: Setting, size: Size, *, widen: int = 1) -> dict[str, object]:
    """Return the keys of ``architecture`` that describe a U-Net.

    Args:
        setting: what it is chosen for.
        size: how wide it is for images.
        widen: how many times as wide, for what has fewer voxels than images.

    >>> unet_keys(Setting([32, 32], on_gpu=False), "XS")["num_channels"]
    [16, 32, 64]
    """
    base, levels = min(_WIDEST, _WIDTHS[setting.dims][size] * widen), count_levels(setting)
    attends = [
        level == levels - 1 or (setting.on_gpu and level > 0 and setting.voxels(level) <= _ATTENTION_AT)
        for level in range(levels)
    ]
    return {
        "num_channels": [base * min(2**level, 4) for level in range(levels)],
        "attention_levels": attends,
        "num_res_blocks": 1 if size in THIN else 2,
        "num_head_channels": min(32, base),
        "norm_num_groups": _count_groups(base, size),
    }


def _count_groups(base: int, size: Size) -> int:
    # One channel a group at the finest resolution takes away brightness and contrast (docs/decisions/0010-recipes.md).
    if size == "XS":
        return max(1, base // _CHANNELS_PER_GROUP)
    return min(gcd(base, 16 if size in THIN else 32), base // _FEWEST_PER_GROUP)


def unet_optimizer(size: Size) -> dict[str, object]:
    """Return the optimizer of a U-Net: thin networks learn at higher rates."""
    return {"name": "adamw", "lr": _RATES[size], "weight_decay": 0.01}


def count_levels(setting: Setting) -> int:
    """Return the number of resolutions: the coarsest has at most 16 voxels a side in 2D, 12 in 3D, and at least 4."""
    levels = 1
    while _halves(setting, levels):
        levels += 1
    return levels


def _halves(setting: Setting, levels: int) -> bool:
    (sides,) = setting.sides(levels)[-1:]
    enough = levels >= _FEWEST_LEVELS and max(sides) <= _COARSEST[setting.dims]
    return not enough and max(sides) >= 2 * _SMALLEST
