"""Where inference writes, and what provenance says of the model."""

from collections.abc import Mapping
from glob import escape
from pathlib import Path
from typing import Any

from gandlf_synth.files import make_numbered_folder, read_json, write_json
from gandlf_synth.model_folder import InferenceFolder, ModelFolder
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.checkpoint import weights_digest


def inference_folder(model_dir: Path, output_dir: Path | None) -> Path:
    """Return a new folder ``<model folder>_inference_output[_k]`` under ``output_dir``, made on the spot.

    Args:
        model_dir: gives the name.
        output_dir: where it is made; None: inside the model folder.
    """
    return make_numbered_folder(output_dir or model_dir, f"{model_dir.resolve().name}_inference_output")


def folder_for(model_dir: Path, output_dir: Path | None, wanted: Mapping[str, Any], *, resume: bool) -> Path:
    """Return the folder for a request: with ``resume`` the newest that was begun with the same one, else a new one.

    Args:
        model_dir: gives the name.
        output_dir: where it is made; None: inside the model folder.
        wanted: what decides the images; it is kept in the folder.
        resume: whether to go on with an earlier, interrupted call.
    """
    if resume:
        root = output_dir or model_dir
        folders = map(InferenceFolder, root.glob(f"{escape(model_dir.resolve().name)}_inference_output*"))
        begun = [folder for folder in folders if folder.request.is_file()]
        for folder in sorted(begun, key=lambda folder: folder.request.stat().st_mtime, reverse=True):
            if read_json(folder.request) == wanted:
                return folder.root
    new = inference_folder(model_dir, output_dir)
    write_json(InferenceFolder(new).request, wanted)
    return new


def model_source(module: GenerativeModule, checkpoint: Path, model_dir: Path) -> dict[str, Any]:
    """Return which model makes the images: the digest of its weights, and from its run record what it was made of.

    Nothing of it depends on where and when the model was trained.
    """
    source: dict[str, Any] = {"checkpoint": checkpoint.name, "weights_sha256": weights_digest(module.state_dict())}
    if module.parent:
        source["init_from"] = dict(module.parent)
    if module.privacy:
        source["privacy"] = dict(module.privacy)
    if module.ema_width is not None:
        source["ema_width"] = module.ema_width
    record = ModelFolder(model_dir).record
    if record.is_file():
        content = read_json(record)
        source |= {key: content[key] for key in ("model_name", "config_digest", "data_digest") if key in content}
    return source
