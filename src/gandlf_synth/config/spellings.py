"""Keys that have two names: the one that is used from here on takes the place of every other."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gandlf_synth.config.document import Document, KeyPath
from gandlf_synth.errors import ConfigError, Problem

_PHASED = ("data_preprocessing", "data_augmentation", "data_postprocessing", "dataloader_config")
_COMPONENTS = ("losses", "optimizers", "schedulers")
OTHER_NAMES: Mapping[KeyPath, str] = {
    ("data_augmentations",): "data_augmentation",
    ("model",): "model_config",
    ("model_config", "n_fixed_images_batch_size"): "fixed_images_batch_size",
    **{(section, "validation"): "val" for section in _PHASED},
    **{(section, "infer"): "inference" for section in _PHASED},
}
"""By the path of a key under its other name, its own name; a component's ``type`` is its ``name`` besides."""


def with_own_names(document: Document) -> Document:
    """Return ``document`` with every key under its own name, so that two documents can be laid over each other.

    >>> from gandlf_synth.config import parse_document
    >>> with_own_names(parse_document("dataloader_config: {validation: {num_workers: 2}}", "c.yaml")).content
    {'dataloader_config': {'val': {'num_workers': 2}}}

    Raises:
        ConfigError: a key is written under both names.
    """
    content = _renamed(document.content, (), (), document)
    lines = {_own_path(path): line for path, line in document.lines.items()}
    places = {_own_path(path): place for path, place in document.places.items()}
    return replace(document, content=content, lines=lines, places=places)


def _renamed(node: Any, written: KeyPath, own: KeyPath, document: Document) -> Any:
    if not isinstance(node, Mapping):
        return node
    result: dict[str, Any] = {}
    for key, value in node.items():
        name = _own_name(own, key)
        if name != key and name in node:
            what = f"is another name of {name}, which is written too"
            raise ConfigError(Problem(document.where((*written, key)), what, fix="keep one"))
        result[name] = _renamed(value, (*written, key), (*own, name), document)
    return result


def _own_path(path: KeyPath) -> KeyPath:
    own: KeyPath = ()
    for key in path:
        own = (*own, _own_name(own, key))
    return own


def _own_name(section: KeyPath, key: str | int) -> Any:
    """Return the name of ``key`` in ``section``, which is a path of own names."""
    depth = len(section)
    if key == "type" and 2 <= depth <= 3 and section[0] == "model_config" and section[1] in _COMPONENTS:
        return "name"
    return OTHER_NAMES.get((*section, key), key)
