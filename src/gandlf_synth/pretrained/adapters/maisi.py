"""The autoencoder of MAISI (Guo et al. 2024, arXiv 2409.11169), of NVIDIA's NV-Generate models."""

import re
from collections.abc import Mapping, Sequence

from monai.apps.generation.maisi.networks.autoencoderkl_maisi import AutoencoderKlMaisi
from torch import Tensor

from gandlf_synth.errors import CheckpointError, Problem
from gandlf_synth.pretrained.adapters.base import AdaptedWeights, AdapterExample, WeightAdapter
from gandlf_synth.pretrained.adapters.monai import AUTOENCODER, adapt_monai, autoencoder_example
from gandlf_synth.pretrained.adapters.monai_old import with_present_names
from gandlf_synth.pretrained.stored_model import StoredModel

_FIRST = "encoder.blocks.0.conv.conv.weight"
_UNET = ("spacing_layer.0.weight", "top_region_index_layer.0.weight")
_RENAMED = (
    (r"^(decoder\.blocks\.\d+)\.conv\.conv\.conv\.", r"\1.postconv.conv."),
    (r"\.conv\.conv\.conv\.", ".conv.conv."),
    (r"^((?:en|de)coder\.blocks\.\d+)\.(conv1|conv2|nin_shortcut)\.conv\.conv\.", r"\1.\2.conv."),
    (r"^((?:en|de)coder\.blocks\.\d+)\.conv\.conv\.(weight|bias)$", r"\1.conv.\2"),
)
"""Each convolution lies one level deeper; the one after upsampling has a name of its own."""


class MaisiAdapter(WeightAdapter):
    """The autoencoder of MAISI and NV-Generate, whose values are [0, 1] and whose upsampling is trilinear."""

    def recognizes(self, stored: StoredModel) -> bool:
        """Say whether it is MAISI's autoencoder, or its denoiser, which ``adapt`` refuses."""
        weights = stored.weights
        return not stored.section and ((AUTOENCODER in weights and _FIRST in weights) or _is_unet(weights))

    def adapt(self, stored: StoredModel, family: str) -> AdaptedWeights:
        """Return the weights where ``autoencoder_kl`` has the network; see ``WeightAdapter.adapt``.

        Raises:
            CheckpointError: they are MAISI's denoiser, for which there is no such network here.
        """
        if _is_unet(stored.weights):
            what = "is MAISI's denoiser, which takes spacing and body regions in a way that no denoiser here does"
            fix = "start from MAISI's autoencoder, and train latent_diffusion on it with first_stage_checkpoint"
            raise CheckpointError(Problem(str(stored.place), what, fix=fix))
        more = {"upsampling": "linear", "value_range": [0.0, 1.0]}
        return adapt_monai(stored, with_names_of_monai(stored.weights), family, more)

    def examples(self) -> Sequence[AdapterExample]:
        """Return a small autoencoder of MAISI; see ``WeightAdapter.examples``."""
        return [autoencoder_example(small_maisi())]


def _is_unet(weights: Mapping[str, Tensor]) -> bool:
    return any(name in weights for name in _UNET)


def with_names_of_monai(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``weights`` under the names of MONAI's AutoencoderKL.

    Example:
        >>> import torch
        >>> list(with_names_of_monai({"encoder.blocks.1.conv1.conv.conv.bias": torch.zeros(1)}))
        ['encoder.blocks.1.conv1.conv.bias']
    """
    named = {}
    for name, value in weights.items():
        for pattern, present in _RENAMED:
            renamed = re.sub(pattern, present, name)
            if renamed != name:
                name = renamed  # noqa: PLW2901
                break
        named[name] = value
    return with_present_names(named)


def small_maisi() -> AutoencoderKlMaisi:
    """Return a small autoencoder of MAISI with random weights."""
    return AutoencoderKlMaisi(
        spatial_dims=3, in_channels=1, out_channels=1, num_res_blocks=(1, 1), num_channels=(8, 16),
        attention_levels=(False, False), latent_channels=4, norm_num_groups=8, with_encoder_nonlocal_attn=False,
        with_decoder_nonlocal_attn=False, num_splits=1, norm_float16=False,
    ).eval()  # fmt: skip
