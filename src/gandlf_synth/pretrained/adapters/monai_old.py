"""The same networks in the names of MONAI Generative, in which many published weights come."""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from gandlf_synth.pretrained.adapters.base import AdaptedWeights, AdapterExample, WeightAdapter
from gandlf_synth.pretrained.adapters.monai import (
    AUTOENCODER,
    UNET,
    adapt_monai,
    autoencoder_example,
    has_old_names,
    small_autoencoder,
    small_unet,
    unet_example,
)
from gandlf_synth.pretrained.stored_model import StoredModel

_RENAMED = (
    (r"\.to_out\.0\.", ".out_proj."),
    (r"\.proj_attn\.", ".attn.out_proj."),
    (r"(?<!attn)(?<!attn1)(?<!attn2)\.(to_[qkv])\.", r".attn.\1."),
    (r"^(decoder\.blocks\.\d+)\.conv\.conv\.", r"\1.postconv.conv."),
    (r"\.upsampler\.conv\.conv\.", ".upsampler.postconv.conv."),
)
"""Patterns of old names, and what takes their place."""


class MonaiOldAdapter(WeightAdapter):
    """MONAI's networks in the names of MONAI Generative, before MONAI 1.4."""

    def recognizes(self, stored: StoredModel) -> bool:
        """Say whether attention or upsampling has its old name."""
        weights = stored.weights
        is_monai = (AUTOENCODER in weights and "encoder.blocks.0.conv.weight" in weights) or UNET in weights
        return not stored.section and is_monai and has_old_names(weights)

    def adapt(self, stored: StoredModel, family: str) -> AdaptedWeights:
        """Return the weights where the family has the network; see ``WeightAdapter.adapt``."""
        return adapt_monai(stored, with_present_names(stored.weights), family)

    def examples(self) -> Sequence[AdapterExample]:
        """Return an autoencoder and a U-Net under old names; see ``WeightAdapter.examples``."""
        autoencoder, unet = small_autoencoder(), small_unet()
        return [
            autoencoder_example(autoencoder, with_old_names(autoencoder.state_dict())),
            unet_example(unet, with_old_names(unet.state_dict())),
        ]


def with_present_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``weights`` under MONAI's present names.

    Attention that had no layer at its end gets one that changes nothing.

    Example:
        >>> list(with_present_names({"up_blocks.0.attentions.1.to_q.bias": torch.zeros(1)}))
        ['up_blocks.0.attentions.1.attn.to_q.bias', 'up_blocks.0.attentions.1.attn.out_proj.bias']
    """
    named: dict[str, Tensor] = {}
    for name, value in weights.items():
        for pattern, present in _RENAMED:
            name = re.sub(pattern, present, name)  # noqa: PLW2901
        named[name] = value
    for name, value in list(named.items()):
        end = name.replace(".attn.to_q.", ".attn.out_proj.")
        if end != name and end not in named:
            named[end] = torch.eye(len(value)).to(value) if value.ndim == 2 else torch.zeros_like(value)
    return named


def with_old_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``weights`` of self-attention and upsampling under the names of MONAI Generative."""
    named = {}
    for name, value in weights.items():
        old = name.replace(".attn.out_proj.", ".proj_attn.").replace(".attn.to_", ".to_")
        named[old.replace(".postconv.conv.", ".conv.conv.")] = value
    return named
