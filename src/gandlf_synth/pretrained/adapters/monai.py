"""MONAI's AutoencoderKL and DiffusionModelUNet, in the names that they have since MONAI 1.4."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.networks.nets.autoencoderkl import AutoencoderKL
from monai.networks.nets.diffusion_model_unet import DiffusionModelUNet
from torch import Tensor, nn

from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.pretrained.adapters.base import (
    DENOISING,
    AdaptedWeights,
    AdapterExample,
    WeightAdapter,
    refuse_family,
)
from gandlf_synth.pretrained.adapters.monai_architecture import keys_of_autoencoder, keys_of_unet
from gandlf_synth.pretrained.stored_model import StoredModel

AUTOENCODER = "quant_conv_mu.conv.weight"
UNET = "time_embed.0.weight"
_SCHEDULES = {
    "linear_beta": "linear",
    "scaled_linear_beta": "scaled_linear",
    "cosine": "cosine",
    "sigmoid_beta": "sigmoid",
}
_USUAL = {"prediction_type": "epsilon", "beta_schedule": "linear"}
"""What MONAI's noise schedulers do unless they are told otherwise."""
_PLACES = {
    "autoencoder_kl": "autoencoder.",
    **dict.fromkeys(DENOISING, "process.denoiser.unet."),
}
"""Where the network lies in the module of each family."""


class MonaiAdapter(WeightAdapter):
    """MONAI's AutoencoderKL and DiffusionModelUNet, since MONAI 1.4."""

    def recognizes(self, stored: StoredModel) -> bool:
        """Say whether the names are MONAI's present ones."""
        weights = stored.weights
        autoencoder = AUTOENCODER in weights and "encoder.blocks.0.conv.weight" in weights
        unet = UNET in weights and "conv_in.conv.weight" in weights
        return not stored.section and (autoencoder or unet) and not has_old_names(weights)

    def adapt(self, stored: StoredModel, family: str) -> AdaptedWeights:
        """Return the weights where the family has the network; see ``WeightAdapter.adapt``."""
        return adapt_monai(stored, stored.weights, family)

    def examples(self) -> Sequence[AdapterExample]:
        """Return an autoencoder and a U-Net; see ``WeightAdapter.examples``."""
        return [autoencoder_example(small_autoencoder()), unet_example()]


def has_old_names(weights: Mapping[str, Tensor]) -> bool:
    """Say whether attention or upsampling is called as before MONAI 1.4."""
    attention = any("proj_attn." in name or ".to_out.0." in name for name in weights)
    upsampling = any("upsampler.conv.conv." in name for name in weights)
    doubling = any(name.startswith("decoder.blocks.") and name.endswith(".conv.conv.weight") for name in weights)
    return attention or upsampling or (doubling and "encoder.blocks.0.conv.weight" in weights)


def adapt_monai(
    stored: StoredModel, weights: Mapping[str, Tensor], family: str, more: Mapping[str, Any] | None = None
) -> AdaptedWeights:
    """Return weights by MONAI's present names as a model of ``family`` has them.

    Args:
        stored: the file.
        weights: by MONAI's present names.
        family: that takes them.
        more: further keys of ``architecture``.
    """
    is_autoencoder = AUTOENCODER in weights
    families = ("autoencoder_kl",) if is_autoencoder else DENOISING
    if family not in families:
        held = "an autoencoder" if is_autoencoder else "a denoiser"
        raise refuse_family(stored, held, families, family)
    keys, untold = (keys_of_autoencoder if is_autoencoder else keys_of_unet)(weights, stored.network)
    placed = {f"{_PLACES[family]}{name}": value for name, value in weights.items()}
    architecture = {**keys, **(more or {})}
    assumed = [f"architecture.{key}" for key in untold]
    if is_autoencoder or family == "flow_matching":
        return AdaptedWeights(placed, {"architecture": architecture}, assumed)
    said = _process_keys(stored.scheduler)
    section: dict[str, Any] = {"architecture": architecture, **_USUAL, **said}
    assumed += [key for key in _USUAL if key not in said]
    if family == "ddpm":
        return AdaptedWeights(placed, section, assumed)
    second_stage = {"second_stage": {"model_name": "ddpm", **section}}
    return AdaptedWeights(placed, second_stage, [f"second_stage.{key}" for key in assumed])


def _process_keys(scheduler: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a bundle's noise scheduler says of the process, as keys of ``ddpm``."""
    keys: dict[str, Any] = {}
    if scheduler.get("prediction_type") in ("epsilon", "sample", "v_prediction"):
        keys["prediction_type"] = scheduler["prediction_type"]
    if scheduler.get("schedule") in _SCHEDULES:
        keys["beta_schedule"] = _SCHEDULES[str(scheduler["schedule"])]
    return keys


def small_autoencoder() -> AutoencoderKL:
    """Return a small autoencoder of volumes with random weights, attention in its depth."""
    return AutoencoderKL(
        spatial_dims=3, in_channels=1, out_channels=1, num_res_blocks=(1, 2), channels=(8, 16),
        attention_levels=(False, True), latent_channels=3, norm_num_groups=8, with_encoder_nonlocal_attn=True,
        with_decoder_nonlocal_attn=False,
    ).eval()  # fmt: skip


def autoencoder_example(network: nn.Module, weights: Mapping[str, Tensor] | None = None) -> AdapterExample:
    """Return the example of an autoencoder of volumes of one channel; its values are those of [-1, 1] or [0, 1].

    Args:
        network: computes what is expected.
        weights: in the layout of the adapter; None: those of ``network``.
    """

    def outputs(module: GenerativeModule) -> tuple[Tensor, Tensor]:
        ours: Any = module
        images = torch.rand(2, 1, 8, 8, 8)
        theirs: Any = network
        mean = theirs.encode(images)[0]
        own_mean = ours.autoencoder.encode(images)[0]
        both = [mean, theirs.decode(mean)], [own_mean, ours.autoencoder.decode(own_mean)]
        expected, computed = (torch.cat([part.flatten() for part in parts]) for parts in both)
        return expected, computed

    stored = StoredModel(Path("example.pt"), network.state_dict() if weights is None else weights)
    return AdapterExample(stored, "autoencoder_kl", (8, 8, 8), outputs)


def small_unet() -> DiffusionModelUNet:
    """Return a small U-Net of images with random weights, also where such networks begin at zero."""
    network = DiffusionModelUNet(
        spatial_dims=2, in_channels=1, out_channels=1, num_res_blocks=(1, 2), channels=(16, 32),
        attention_levels=(False, True), norm_num_groups=16, num_head_channels=8,
    )  # fmt: skip
    for weight in network.parameters():
        if weight.ndim > 1:
            nn.init.normal_(weight, std=0.1)
    return network.eval()


def unet_example(network: nn.Module | None = None, weights: Mapping[str, Tensor] | None = None) -> AdapterExample:
    """Return the example of a denoiser of images of one channel.

    Args:
        network: computes what is expected; None: a small U-Net.
        weights: in the layout of the adapter; None: those of ``network``.
    """
    network = small_unet() if network is None else network

    def outputs(module: GenerativeModule) -> tuple[Tensor, Tensor]:
        ours: Any = module
        noisy, timesteps = torch.randn(2, 1, 8, 8), torch.tensor([3, 700])
        return network(noisy, timesteps), ours.process.denoiser(noisy, timesteps)

    stored = StoredModel(Path("example.pt"), network.state_dict() if weights is None else weights)
    return AdapterExample(stored, "ddpm", (8, 8), outputs)
