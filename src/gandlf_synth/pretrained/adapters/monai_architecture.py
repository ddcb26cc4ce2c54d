"""What the names and sizes of the weights of MONAI's networks tell of their architecture, as keys of the YAML."""

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from math import gcd
from typing import Any

from torch import Tensor

_USUAL_GROUPS = 32
_USUAL_HEAD = 8
Weights = Mapping[str, Tensor]

_KEYS = {"channels": "num_channels", "dropout_cattn": "cross_attention_dropout"}
"""Parameters of MONAI's networks that have another name in the YAML; the others keep theirs."""


def keys_of_autoencoder(weights: Weights, said: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the keys of ``architecture`` of an AutoencoderKL, and those of them that nothing tells.

    Args:
        weights: by MONAI's present names.
        said: parameters of the network that are known from elsewhere.
    """
    kinds = _block_kinds(weights, "encoder")
    levels = kinds.split("D")
    channels, blocks, attention = [], [], []
    place = 1
    nonlocal_encoder = _ends_with_nonlocal(levels[-1])
    for number, level in enumerate(levels):
        own = level[: -len("RAR")] if number == len(levels) - 1 and nonlocal_encoder else level
        channels.append(len(weights[f"encoder.blocks.{place}.conv2.conv.weight"]))
        blocks.append(own.count("R"))
        attention.append("A" in own)
        place += len(level) + 1
    deepest = "".join(takewhile(lambda kind: kind != "U", _block_kinds(weights, "decoder")))
    expected = ("RA" if attention[-1] else "R") * blocks[-1]
    keys = {
        "num_channels": channels,
        "num_res_blocks": blocks,
        "attention_levels": attention,
        "latent_channels": len(weights["quant_conv_mu.conv.weight"]),
        "with_encoder_nonlocal_attn": nonlocal_encoder,
        "with_decoder_nonlocal_attn": deepest != expected,
        "norm_num_groups": _groups(channels),
    }
    known = {"norm_num_groups", "norm_eps", *keys}
    keys |= _as_keys(said, known)
    return keys, [key for key in ("norm_num_groups",) if key not in _as_keys(said, known)]


def keys_of_unet(weights: Weights, said: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the keys of ``architecture`` of a DiffusionModelUNet, and those of them that nothing tells.

    Args:
        weights: by MONAI's present names.
        said: parameters of the network that are known from elsewhere.
    """
    levels = 1 + max(_numbers(weights, r"down_blocks\.(\d+)\."))
    channels = [len(weights[f"down_blocks.{level}.resnets.0.conv1.conv.weight"]) for level in range(levels)]
    head = _USUAL_HEAD
    while any(width % head for width in channels):
        head //= 2
    keys: dict[str, Any] = {
        "num_channels": channels,
        "num_res_blocks": [1 + max(_numbers(weights, rf"down_blocks\.{n}\.resnets\.(\d+)\.")) for n in range(levels)],
        "attention_levels": [bool(_numbers(weights, rf"down_blocks\.{n}\.attentions\.(\d+)\.")) for n in range(levels)],
        "resblock_updown": any(".downsampler.conv1." in name for name in weights),
        "norm_num_groups": _groups(channels),
        "num_head_channels": head,
    }
    context = [value for name, value in weights.items() if name.endswith("attn2.to_k.weight")]
    if context:
        depth = 1 + max(_numbers(weights, r"\.transformer_blocks\.(\d+)\."))
        keys |= {"with_conditioning": True, "cross_attention_dim": context[0].shape[1], "transformer_num_layers": depth}
    untold = ["norm_num_groups", "num_head_channels"]
    more = {"norm_eps", "upcast_attention", "transformer_num_layers", "cross_attention_dropout"}
    written = _as_keys(said, {*keys, *more})
    return keys | written, [key for key in untold if key not in written]


def _as_keys(said: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """Return the parameters of a network as keys of the YAML, without those that no key is for."""
    named = {_KEYS.get(name, name): value for name, value in said.items() if value is not None}
    return {name: value for name, value in named.items() if name in known}


def _groups(channels: Sequence[int]) -> int:
    """Return the usual number of groups of the normalization, as far as it divides ``channels``."""
    return gcd(_USUAL_GROUPS, *channels)


def _numbers(weights: Weights, pattern: str) -> list[int]:
    return [int(found[1]) for name in weights if (found := re.search(pattern, name))]


def _block_kinds(weights: Weights, half: str) -> str:
    """Return a letter per block after the first convolution: R(esidual), A(ttention), D(own), U(p)."""
    last = max(_numbers(weights, rf"^{half}\.blocks\.(\d+)\."))
    kinds = [_kind(weights, f"{half}.blocks.{number}.") for number in range(1, last + 1)]
    return "".join(kinds).rstrip("N")


def _kind(weights: Weights, block: str) -> str:
    rest = {name.removeprefix(block) for name in weights if name.startswith(block)}
    for ending, kind in (("conv1.conv.weight", "R"), ("attn.to_q.weight", "A"), ("conv.conv.weight", "D")):
        if ending in rest:
            return kind
    return "U" if "postconv.conv.weight" in rest else "N"


def _ends_with_nonlocal(level: str) -> bool:
    """Say whether attention over the whole image follows the deepest level: residual, attention, residual."""
    return "A" in level and level.endswith("R")
