"""Where things lie: short files, folders by purpose, tests that mirror the source and stand alone."""

import re
from pathlib import Path

import pytest
from tests.source import FILES, ROOT, imports_of, name_of

SRC, TESTS = ROOT / "src" / "gandlf_synth", ROOT / "tests"
MOST_LINES = 400


def test_a_file_is_read_in_one_sitting() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}

    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_name_says_only_that_the_rest_is_here() -> None:
    empty = re.compile(r"(^|_)(utils?|helpers?|common|misc)($|_|\.)")

    assert [name_of(path) for path in FILES if any(empty.search(part) for part in path.relative_to(ROOT).parts)] == []


def test_unit_tests_lie_in_the_rooms_of_what_they_test() -> None:
    rooms = {path.parent.relative_to(TESTS / "unit") for path in (TESTS / "unit").rglob("*.py")}

    assert sorted(str(room) for room in rooms if not (SRC / room).is_dir()) == []


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=name_of)
def test_no_test_imports_from_a_test(path: Path) -> None:
    ours = {name for name in imports_of(path) if name.split(".")[0] == "tests"}

    assert [name for name in ours if re.search(r"\.(conftest|test_\w+)$", name)] == [], "use tests/factories.py"
