"""MONAI bundles: which file has the weights, and what the configuration says of the network. None of it is run."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

_WEIGHTS = (".pt", ".pth", ".safetensors", ".ckpt")
_REFERENCE = re.compile(r"^@(\w+)$")
_NETWORKS = ("AutoencoderKL", "AutoencoderKlMaisi", "DiffusionModelUNet", "DiffusionModelUNetMaisi")
_SCHEDULER = "Scheduler"


def is_bundle(folder: Path) -> bool:
    """Say whether ``folder`` is a MONAI bundle."""
    return (folder / "configs" / "metadata.json").is_file()


def weight_files(folder: Path) -> list[Path]:
    """Return the files of weights of a bundle, TorchScript left out."""
    files = sorted(path for path in (folder / "models").glob("*") if path.suffix in _WEIGHTS)
    return [path for path in files if path.suffix != ".ts"]


def networks_said(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the class name and the plain parameters of every network and noise scheduler that a bundle describes.

    What a bundle computes (``$…``) is left out, because nothing of it is run.
    """
    for path in sorted((folder / "configs").glob("*")):
        content = _read(path)
        for definition in _definitions(content):
            name = str(definition["_target_"]).rpartition(".")[2]
            if name in _NETWORKS or name.endswith(_SCHEDULER):
                yield name, _plain(definition, content)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else YAML(typ="safe", pure=True).load(text)
    except (OSError, ValueError, YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


def _definitions(node: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        if isinstance(node.get("_target_"), str):
            yield node
        for value in node.values():
            yield from _definitions(value)
    elif isinstance(node, list):
        for value in node:
            yield from _definitions(value)


def _plain(definition: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that are numbers, texts or lists of them, or references to such."""
    resolved = {name: _dereferenced(value, content) for name, value in definition.items() if name != "_target_"}
    return {name: value for name, value in resolved.items() if _is_plain(value)}


def _dereferenced(value: object, content: Mapping[str, Any]) -> object:
    reference = _REFERENCE.match(value) if isinstance(value, str) else None
    return content.get(reference[1]) if reference else value


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return isinstance(value, int | float) or (isinstance(value, str) and not value.startswith(("$", "@", "%")))
