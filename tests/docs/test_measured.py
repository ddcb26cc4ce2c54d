"""The page of benchmarks shows what the records hold."""

import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("measured", ROOT / "docs" / "measured.py")


def test_every_recorded_comparison_stands_on_the_page_of_benchmarks() -> None:
    assert SPEC is not None
    assert SPEC.loader is not None
    measured = importlib.util.module_from_spec(SPEC)
    SPEC.loader.exec_module(measured)

    page = measured.benchmarks_page()

    runs = json.loads((ROOT / "benchmarks" / "results" / "quality.json").read_text(encoding="utf-8"))["runs"]
    assert {run["recipe"] for run in runs if f"`{run['recipe']}`" not in page} == set()
