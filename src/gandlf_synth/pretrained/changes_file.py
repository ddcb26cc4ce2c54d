"""What a training by ``lora`` learned as a file of its own: to hand on, and to put together with the parent again."""

import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from gandlf_synth.config import InitFrom
from gandlf_synth.errors import CheckpointError, Problem
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.build import build_module
from gandlf_synth.models.checkpoint import CHANGES_OF, HEADER_KEY, checkpoint_description, read_checkpoint, weights_file
from gandlf_synth.models.trained_weights import merge_trained_changes
from gandlf_synth.networks.lora import is_change, plain_name
from gandlf_synth.pretrained.class_rows import class_tables
from gandlf_synth.pretrained.parent import read_parent


def write_changes(checkpoint: Path, path: Path) -> None:
    """Write what a checkpoint of a training by ``lora`` has besides the weights of its parent.

    Args:
        checkpoint: of such a training.
        path: a safetensors file.
    """
    from safetensors.torch import save_file

    content = read_checkpoint(checkpoint)
    header = content[HEADER_KEY]
    section, spec = checkpoint_description(content)
    kept = _kept(build_module(section, spec))
    own = {name: value.clone().contiguous() for name, value in content["state_dict"].items() if name not in kept}
    about = {**header, CHANGES_OF: str(header["init_from"]["weights_sha256"])}
    with weights_file(path) as temporary:
        save_file(own, temporary, metadata={HEADER_KEY: json.dumps(about)})


def _kept(module: GenerativeModule) -> set[str]:
    """Return the names of the weights that stay as the parent has them."""
    tables = class_tables(module)
    return {
        name
        for name, weight in module.named_parameters()
        if not (weight.requires_grad or is_change(name) or name in tables)
    }


def load_changed(path: Path, parent_place: Path) -> GenerativeModule:
    """Return the model that the changes in ``path`` make of its parent, as a plain model that is ready to sample.

    Args:
        path: a file that ``write_changes`` wrote.
        parent_place: the parent, as ``init_from`` names it.

    Raises:
        CheckpointError: a file cannot be used, or it is another parent.
    """
    content = read_checkpoint(path)
    header = content[HEADER_KEY]
    section, spec = checkpoint_description(content)
    parent = read_parent(InitFrom(path=str(parent_place)), header["model_name"])
    wanted = header.get(CHANGES_OF)
    if parent.digest != wanted:
        what = f"changes the model with weights_sha256 {wanted}, and {parent_place} has {parent.digest}"
        raise CheckpointError(Problem(str(path), what, fix="name the model that the training started from"))
    module = build_module(section, spec)
    module.load_state_dict({**_below(module, parent.weights, content["state_dict"]), **content["state_dict"]})
    module.parent = header.get("init_from") or {}
    module.privacy = header.get("privacy") or {}
    merge_trained_changes(module)
    module.eval()
    return module


def _below(module: GenerativeModule, weights: Mapping[str, Tensor], changes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of the parent that the file of changes leaves out, by the names of ``module``."""
    names = [name for name in module.state_dict() if name not in changes]
    return {name: weights[plain_name(name)] for name in names}
