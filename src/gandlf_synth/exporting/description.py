"""What a folder for others says of its model besides the weights: ``config.json`` and the run record."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from pydantic import ValidationError

from gandlf_synth.config import Document, LoadedConfig
from gandlf_synth.errors import DataError, Problem
from gandlf_synth.files import read_json
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.provenance import RunRecord, software_versions

_SECTIONS = (
    "model_config", "modality", "seed", "data_preprocessing", "data_postprocessing", "patch_sampler",
    "inference_parameters", "metrics",
)  # fmt: skip
"""What of a configuration decides what a trained model makes; the rest is of the training and its machine."""
_OF_THE_START = ("init_from", "freeze", "lora")


def exported_config(module: GenerativeModule, loaded: LoadedConfig | None) -> dict[str, Any]:
    """Return the content of ``config.json``: what the model is, what it knows of its data, how it is used."""
    versions, name = software_versions(), module.config.model_name
    written: Document | None = loaded.document if loaded else None
    content = {key: value for key, value in (written.content if written else {}).items() if key in _SECTIONS}
    if content:
        content["model_config"] = _without_places(content["model_config"])
    return {
        "library_name": "gandlf-synth",
        "library_version": versions["gandlf-synth"],
        "model_type": name,
        "data": module.spec.model_dump(mode="json"),
        "configuration": content,
    }


def _without_places(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section without paths on the machine of the training, and without what a training starts from."""
    kept = {name: value for name, value in section.items() if name not in _OF_THE_START and not _is_place(value)}
    return {name: _without_places(value) if isinstance(value, Mapping) else value for name, value in kept.items()}


def _is_place(value: object) -> bool:
    paths = (PurePosixPath, PureWindowsPath)
    return isinstance(value, str) and ("/" in value or any(kind(value).is_absolute() for kind in paths))


def run_record(path: Path, module: GenerativeModule) -> dict[str, Any]:
    """Return the run record of ``module`` at ``path`` without command lines, which name places.

    Where there is none, it holds only from which model this one started, as far as the weights say it.

    Raises:
        DataError: the file is no run record.
    """
    if not path.is_file():
        known = {"init_from": _without_folder(module.parent), "privacy": dict(module.privacy)}
        return {key: value for key, value in known.items() if value}
    try:
        record = RunRecord.model_validate(read_json(path)).model_dump(mode="json")
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        what = f"is no run record: {'.'.join(map(str, fault['loc']))}: {fault['msg']}"
        raise DataError(
            Problem(str(path), what, fix="restore it from a copy, or move it away and export without it")
        ) from error
    parent = _without_folder(record["init_from"] or module.parent)
    spent = dict(module.privacy) or record["privacy"]
    return {**record, "init_from": parent, "privacy": spent, "command": "", "sessions": []}


def _without_folder(parent: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of the model that another started from; of a path the last part."""
    source = str(parent.get("source", ""))
    named = source if "://" in source else source.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    earlier = parent.get("init_from")
    chain = {"init_from": _without_folder(earlier)} if isinstance(earlier, Mapping) and earlier else {}
    return {**parent, "source": named, **chain} if parent else {}
