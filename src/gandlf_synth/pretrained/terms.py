"""Under which terms weights may be used, and where they come from: what was written, and what lies beside them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.provenance import NOT_STATED

_LICENSE_FILES = ("LICENSE.weights", "LICENSE", "LICENSE.txt", "LICENSE.md")
_CARDS = ("README.md", "docs/README.md")
_UNSTATED = ("", NOT_STATED, "unknown")
_LONGEST = 20_000
"""Characters of a file that are looked at."""
_RESTRICTED = re.compile(
    r"non[- ]?commercial|cc[- ]by[- ]nc|\bnc[- ](?:sa|nd)\b|research (?:use )?only|research purposes only",
    re.IGNORECASE,
)
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---", re.DOTALL)


@dataclass(frozen=True)
class Terms:
    """What is known of the right to use weights.

    Args:
        license: its name; empty where nothing says it.
        origin: where the weights come from; empty where nothing says it.
        non_commercial: whether the terms forbid commercial use, which then holds for what is made from the weights.
    """

    license: str = ""
    origin: str = ""
    non_commercial: bool = False


def find_terms(place: Path, parent: Mapping[str, Any], license_written: str = "", origin_written: str = "") -> Terms:
    """Return the terms of the weights in a file.

    Args:
        place: the file.
        parent: of a model that started from another: what is on record of that one, whose terms go on to hold.
        license_written: as the configuration says; it is believed.
        origin_written: as the configuration says.
    """
    folders = _folders(place)
    inherited = Terms(_stated(parent, "license"), _stated(parent, "origin"), bool(parent.get("non_commercial")))
    found, text = _license_beside(folders)
    name = license_written or inherited.license or found
    restricted = bool(_RESTRICTED.search(license_written or text or found)) or inherited.non_commercial
    return Terms(name, origin_written or inherited.origin or _origin_beside(folders), restricted)


def _stated(facts: Mapping[str, Any], key: str) -> str:
    value = str(facts.get(key, ""))
    return "" if value in _UNSTATED else value


def _folders(place: Path) -> list[Path]:
    """Return where something may be said of the weights in ``place``: its folder, and those around a bundle's."""
    folder = place.parent
    return [folder, folder.parent] if folder.name in ("models", "checkpoints") else [folder]


def _license_beside(folders: list[Path]) -> tuple[str, str]:
    """Return the name of a license that lies beside the weights, and its text."""
    for folder in folders:
        for name in _LICENSE_FILES:
            text = _text(folder / name)
            lines = [line.strip(" #*") for line in text.splitlines() if line.strip(" #*=-")]
            if lines:
                return lines[0][:120], text
        for card in _CARDS:
            matter = _front_matter(folder / card)
            stated = _stated(matter, "license_name" if matter.get("license") == "other" else "license")
            if stated:
                return stated, stated
        said = _metadata(folder).get("license")
        if isinstance(said, str) and said:
            return said, said
    return "", ""


def _origin_beside(folders: list[Path]) -> str:
    for folder in folders:
        metadata = _metadata(folder)
        words = [str(metadata[key]) for key in ("name", "version", "authors") if metadata.get(key)]
        if words:
            return ", ".join(words)
        if ModelFolder(folder).record.is_file():
            return "a model of GaNDLF-Synth"
    return ""


def _metadata(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads(_text(folder / "configs" / "metadata.json") or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _front_matter(card: Path) -> dict[str, str]:
    found = _FRONT_MATTER.match(_text(card))
    lines = found[1].splitlines() if found else []
    pairs = (line.partition(":") for line in lines if ":" in line and not line.startswith((" ", "-")))
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_LONGEST)
    except OSError:
        return ""
