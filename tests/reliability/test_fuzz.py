"""Whatever is written into a configuration or a CSV, the answer is a message and an exit code, never a traceback."""

import copy
import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.factories import TinyConfig

from gandlf_synth.cli.main import main
from gandlf_synth.config import read_document

CONFIGS = [read_document(path).content for path in sorted(Path("configs").glob("*.yaml"))]
WORDS = [
    "ddpm",
    "dcgan",
    "mse",
    "adam",
    "auto",
    "flip",
    "resize",
    "null",
    "1/2",
    "-1",
    "nan",
    "../..",
    "ü",
    "",
    "x" * 300,
]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 10**9), st.floats(), st.sampled_from(WORDS), st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True, "database": None}


def _places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for key, child in children for place in [(*path, key), *_places(child, (*path, key))]]


@st.composite
def mutated_configs(draw: st.DrawFn) -> dict[str, Any]:
    """A shipped configuration with one to four places deleted, renamed or replaced."""
    content = copy.deepcopy(draw(st.sampled_from(CONFIGS)))
    for _ in range(draw(st.integers(1, 4))):
        places = _places(content)
        if not places:
            break
        *parents, key = draw(st.sampled_from(places))
        node: Any = content
        for part in parents:
            node = node[part]
        action = draw(st.sampled_from(["replace", "delete", "rename", "add"]))
        if action == "replace":
            node[key] = draw(VALUES)
        elif action == "delete":
            del node[key]
        elif isinstance(node, dict):
            name = draw(st.text(min_size=1, max_size=8)) if action == "add" else f"{key}s"
            node[name] = draw(VALUES) if action == "add" else node.pop(key)
    return content


def _check_config(content: dict[str, Any], folder: Path) -> None:
    path = folder / "mutated.yaml"
    path.write_text(json.dumps(content))
    assert main(["config", "show", "-c", str(path)]) in (0, 2)


@settings(max_examples=250, **QUIET)
@given(content=mutated_configs())
def test_mutated_configurations(content: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    _check_config(content, tmp_path_factory.getbasetemp())


@pytest.mark.slow
@settings(max_examples=5000, **QUIET)
@given(content=mutated_configs())
def test_many_mutated_configurations(content: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    _check_config(content, tmp_path_factory.getbasetemp())


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[str, int, int, str]]:
    """What to do to a table: (action, row, column, text), places taken modulo its size."""
    texts = st.one_of(st.sampled_from([*WORDS, "1e9", "/dev/null", '"', "a,b", "\0", "#3"]), st.text(max_size=8))
    actions = st.sampled_from(["cell", "cell", "drop row", "repeat row", "drop cell", "add cell", "header"])
    one = st.tuples(actions, st.integers(0, 99), st.integers(0, 99), texts)
    return draw(st.lists(one, min_size=1, max_size=4))


def _mutated(table: list[list[str]], changes: list[tuple[str, int, int, str]]) -> bytes:
    rows = [list(row) for row in table]
    for action, number, column, text in changes:
        row = number % len(rows)
        if action == "drop row" and len(rows) > 1:
            del rows[row]
        elif action == "repeat row":
            rows.append(list(rows[row]))
        elif action == "add cell":
            rows[row].append(text)
        elif rows[row] and action == "drop cell":
            del rows[row][column % len(rows[row])]
        elif rows[0] and action == "header":
            rows[0][column % len(rows[0])] = text
        elif rows[row]:
            rows[row][column % len(rows[row])] = text
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator=os.linesep).writerows(rows)
    return buffer.getvalue().encode("utf-8", "surrogatepass")


@pytest.fixture
def table(pictures_table: Path, tiny_config: TinyConfig, tmp_path: Path) -> tuple[list[list[str]], Path, Path]:
    return list(csv.reader(pictures_table.open())), tiny_config([8, 8]), tmp_path / "mutated.csv"


def _check_table(table: tuple[list[list[str]], Path, Path], changes: list[tuple[str, int, int, str]]) -> None:
    rows, config, path = table
    path.write_bytes(_mutated(rows, changes))
    assert main(["check", "--fast", "-c", str(config), "-dt", str(path)]) in (0, 2, 3)


@settings(max_examples=80, **QUIET)
@given(changes=mutations())
def test_mutated_tables(table: tuple[list[list[str]], Path, Path], changes: list[tuple[str, int, int, str]]) -> None:
    _check_table(table, changes)


@pytest.mark.slow
@settings(max_examples=2000, **QUIET)
@given(changes=mutations())
def test_many_mutated_tables(
    table: tuple[list[list[str]], Path, Path], changes: list[tuple[str, int, int, str]]
) -> None:
    _check_table(table, changes)
