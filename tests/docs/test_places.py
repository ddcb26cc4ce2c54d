"""A file or module that a page, a docstring or a comment names is where it says."""

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from tests.source import FILES, ROOT, name_of

from gandlf_synth.registry import GROUPS

TEXTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *FILES]
EXAMPLES = {"src/gandlf_synth/models/NAME/", "tests/unit/ROOM"}
ENTRY_POINTS = {f"gandlf_synth.{group}" for group in GROUPS}
PATH = re.compile(r"`((?:[a-z_]+/)+(?:[a-z_0-9]+\.py)?)`")
MODULE = re.compile(r"`(gandlf_synth(?:\.\w+)+)`")


ROOMS = {path.name for path in (ROOT / "src" / "gandlf_synth").iterdir() if path.is_dir()} | {
    "src",
    "tests",
    "benchmarks",
    "docs",
}


def module_is_there(name: str) -> bool:
    """Say whether there is a module or a group of entry points of that name, or a module with a thing of that name."""
    package, _, last = name.rpartition(".")
    if package == "gandlf_synth" and last in GROUPS:
        return True
    parent = import_module(package)
    return hasattr(parent, last) or (hasattr(parent, "__path__") and find_spec(name) is not None)


def missing(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    paths = {path for path in PATH.findall(text) if path.split("/")[0] in ROOMS} - EXAMPLES
    bases = (ROOT, ROOT / "src" / "gandlf_synth", page.parent)
    modules = [name for name in MODULE.findall(text) if name not in ENTRY_POINTS and not module_is_there(name)]
    return [path for path in paths if not any((base / path).exists() for base in bases)] + modules


def test_places_that_are_named_exist() -> None:
    assert {name_of(page): missing(page) for page in TEXTS if missing(page)} == {}
