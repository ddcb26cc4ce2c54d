"""A YAML file as plain values together with the line of every key.

YAML 1.2: ``1e-4`` is a number, ``yes`` is a text, a repeated key is an error. A document never runs code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gandlf_synth.config.limits import check_limits
from gandlf_synth.errors import ConfigError, Problem

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """Plain values and where each was written.

    Args:
        name: the file as the user named it.
        content: the top-level mapping, of plain dicts, lists and scalars.
        lines: the line (from 1) of each key path.
        places: where else a key path was written, such as on the command line.
    """

    name: str
    content: dict[str, Any]
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    places: Mapping[KeyPath, str] = field(default_factory=dict)

    def where(self, path: KeyPath) -> str:
        """Return ``file:line: dotted.key`` for ``path``, or for its nearest parent that was written."""
        dotted = ".".join(str(part) for part in path)
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return ".".join([self.places[path[:length]], *map(str, path[length:])])
            if path[:length] in self.lines:
                return f"{self.name}:{self.lines[path[:length]]}: {dotted}"
        return f"{self.name}: {dotted}" if dotted else self.name


def read_document(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        ConfigError: the file is missing, is not YAML, repeats a key, or does not hold a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(Problem(str(path), f"cannot be read: {error.strerror}")) from error
    except UnicodeDecodeError as error:
        raise ConfigError(Problem(str(path), "is not a text file in UTF-8")) from error
    return parse_document(text, str(path))


def parse_document(text: str, name: str) -> Document:
    """Parse YAML ``text`` that came from ``name``; see ``read_document``."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    parser = YAML(typ="rt", pure=True)
    parser.version = (1, 2)
    try:
        check_limits(parser.parse(text), name)
        tree = parser.load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(Problem(f"{name}:{line}", f"is not valid YAML: {error.problem}")) from error
    except (YAMLError, ValueError) as error:
        raise ConfigError(Problem(name, f"is not valid YAML: {error}")) from error
    if not isinstance(tree, dict):
        kind = "nothing" if tree is None else f"a {type(tree).__name__}"
        raise ConfigError(Problem(name, f"holds {kind}", "keys and values, such as model_config: {model_name: ddpm}"))
    lines: dict[KeyPath, int] = {}
    content = _plain(tree, (), lines)
    return Document(name, content, lines)


def _plain(node: Any, path: KeyPath, lines: dict[KeyPath, int]) -> Any:
    if getattr(getattr(node, "tag", None), "value", None):
        dotted = ".".join(str(part) for part in path)
        raise ConfigError(
            Problem(f"key {dotted}", f"has the YAML tag {node.tag.value}", "plain values; a configuration runs no code")
        )
    position: Any = getattr(node, "lc", None)
    if isinstance(node, dict):
        written = position.data or {}  # not what a merge key (<<) brings in
        lines.update({(*path, _name(key)): position.key(key)[0] + 1 for key in node if key in written})
        return {_name(key): _plain(value, (*path, _name(key)), lines) for key, value in node.items()}
    if isinstance(node, list):
        lines.update({(*path, index): position.item(index)[0] + 1 for index in range(len(node))})
        return [_plain(value, (*path, index), lines) for index, value in enumerate(node)]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node if node is None else str(node)


def _name(key: object) -> str:
    return key if isinstance(key, str) else str(key)
