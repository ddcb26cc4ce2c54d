"""What is released says one version, and holds every file that the program reads beside its code."""

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

from ruamel.yaml import YAML
from tests.source import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGE = ROOT / "src" / "gandlf_synth"


def test_one_version_with_a_date_everywhere() -> None:
    citation = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(?P<version>[\d.]+)\] - (?P<date>\d{4}-\d\d-\d\d)$", changes, re.MULTILINE)

    assert newest is not None
    assert newest["version"] == SETTINGS["project"]["version"] == citation["version"]
    assert newest["date"] == str(citation["date-released"])


def test_every_file_beside_the_code_goes_into_the_wheel() -> None:
    patterns = SETTINGS["tool"]["setuptools"]["package-data"]["gandlf_synth"]
    files = [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*") if _is_data(path)]

    assert [name for name in files if not any(fnmatch(name, pattern) for pattern in patterns)] == []
    assert all((ROOT / name).is_file() for name in SETTINGS["project"]["license-files"])


def _is_data(path: Path) -> bool:
    return path.is_file() and path.suffix not in {".py", ".pyc"}
