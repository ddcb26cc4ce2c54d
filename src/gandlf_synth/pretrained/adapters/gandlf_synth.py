"""Models of this program: the names stay, and the configuration says everything."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.build import build_module
from gandlf_synth.models.checkpoint import describe_module
from gandlf_synth.pretrained.adapters.base import AdaptedWeights, AdapterExample, WeightAdapter, refuse_family
from gandlf_synth.pretrained.stored_model import StoredModel

_OWN_TO_A_RUN = {
    "model_name", "labeling_paradigm", "n_dimensions", "n_channels", "losses", "optimizers", "schedulers",
    "lr_warmup_fraction", "lr_cooldown_fraction", "norm_type", "converter_type", "accumulate_grad_batches",
    "gradient_clip_val", "gradient_clip_algorithm", "ema_decay", "ema_widths", "save_eval_images_every_n_epochs",
    "n_fixed_images_to_generate", "fixed_images_batch_size", "fixed_latent_vector_seed", "input_shape", "output_shape",
    "init_from", "freeze", "lora", "controlnet_from", "first_stage_checkpoint", "first_stage_fraction",
    "first_stage_batch_size",
}  # fmt: skip
"""Keys that say how a run trained or what its data was, and not what its weights mean."""
_SHARED_BY_STAGES = ("labeling_paradigm", "n_dimensions", "n_channels", "tensor_shape", "init_from", "freeze", "lora")


class GandlfSynthAdapter(WeightAdapter):
    """Models of this program: a model folder, an exported folder, a checkpoint."""

    def recognizes(self, stored: StoredModel) -> bool:
        """Say whether the file says that this program wrote it."""
        return bool(stored.section)

    def adapt(self, stored: StoredModel, family: str) -> AdaptedWeights:
        """Return the weights as they are; see ``WeightAdapter.adapt``."""
        name = str(stored.section["model_name"])
        if name != family:
            raise refuse_family(stored, f"a {name} model", [name], family)
        kept = {key: value for key, value in stored.section.items() if key not in _OWN_TO_A_RUN}
        section: dict[str, Any] = _said(kept)
        if isinstance(section.get("first_stage"), dict):
            section["first_stage"] = _without(section["first_stage"], _SHARED_BY_STAGES)
        return AdaptedWeights(stored.weights, section)

    def examples(self) -> Sequence[AdapterExample]:
        """Return a small autoencoder; see ``WeightAdapter.examples``."""
        section = {"model_name": "autoencoder_kl", "architecture": {"num_channels": [4, 4], "norm_num_groups": 2}}

        def outputs(module: GenerativeModule) -> tuple[torch.Tensor, torch.Tensor]:
            images = torch.rand(2, 1, 8, 8) * 2 - 1
            return original.reconstruct(images, Condition()), module.reconstruct(images, Condition())

        original = build_module(section, _small_spec()).eval()
        header = describe_module(original)
        stored = StoredModel(Path("example.ckpt"), original.state_dict(), header["model_config"], header["spec"])
        return [AdapterExample(stored, "autoencoder_kl", (8, 8), outputs)]


def _said(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section without the keys that say nothing."""
    said = {key: _said(value) if isinstance(value, Mapping) else value for key, value in section.items()}
    return {key: value for key, value in said.items() if value not in (None, [], {})}


def _without(section: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key not in keys}


def _small_spec() -> DataSpec:
    affine = ((1.0, 0, 0, 0), (0, 1.0, 0, 0), (0, 0, 1.0, 0), (0, 0, 0, 1.0))
    return DataSpec(
        spatial_dims=2, num_channels=1, shape=(8, 8), affine=affine, physical=False, modality="rad",
        paradigm="unlabeled", low=(0.0,), high=(1.0,), range_scale=(2.0,), range_offset=(-1.0,), dtype="float32",
        column_channels=(1,), column_names=("image",),
    )  # fmt: skip
