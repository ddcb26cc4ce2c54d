"""CONTRIBUTING.md names every group of components, its checker, and files that exist."""

import re

import pytest
from tests.source import ROOT

from gandlf_synth.registry import GROUPS

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_has_a_row_with_its_checker(group: str) -> None:
    checker = GROUPS[group].checker.partition(":")[2]

    assert re.search(rf"^\| [^|]+ \| `{group}` \|.*`{checker}`", TEXT, re.MULTILINE)


def test_every_file_that_is_named_exists() -> None:
    named = re.findall(r"`((?:src|tests|docs|configs)/[^`\s]*)`", TEXT) + re.findall(r"\]\(([\w./-]+)\)", TEXT)

    assert [path for path in named if "NAME" not in path and "ROOM" not in path and not (ROOT / path).exists()] == []
    assert len(named) > 30
