"""Puts lines of runs into ``benchmarks/results/quality.json``: ``python -m benchmarks.quality.record quality.jsonl``.

A run that was cut short is left out. A line of the recipe ``real`` holds the score of real training images.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results" / "quality.json"
_WHOLE = 0.97
_KEPT = ("data", "recipe", "seed", "cpu_seconds", "device", "number_format", "steps", "first_steps", "weights")
_PLACE = ("data", "recipe", "seed", "cpu_seconds")


def main() -> None:
    """Add runs, in the place of older ones of the same recipe, data, seed and budget."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.record")
    parser.add_argument("lines", type=Path, nargs="+", help="files of python -m benchmarks.quality -o")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    record = json.loads(options.results.read_text(encoding="utf-8"))
    for line in (line for file in options.lines for line in file.read_text(encoding="utf-8").splitlines()):
        add(record, json.loads(line))
    options.results.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def add(record: dict[str, Any], run: Mapping[str, Any]) -> None:
    """Add one run to ``record``, unless it failed or was cut short."""
    if "error" in run or run.get("cpu_seconds_bought", run.get("cpu_seconds", 0)) < _WHOLE * run.get("cpu_seconds", 0):
        return
    scores = dict(run["scores"])
    own = scores.pop("own")
    if run["recipe"] == "real":
        record.setdefault("real", {})[run["data"]] = own
        return
    reconstructions = scores.pop("reconstructions", None)
    kept = {key: run[key] for key in _KEPT if run.get(key) is not None} | own
    if scores:
        kept["otherwise"] = {name: score["kid"] for name, score in scores.items()}
    if reconstructions:
        kept["reconstructions"] = reconstructions
    record["runs"] = [old for old in record["runs"] if _place(old) != _place(run)] + [kept]


def _place(run: Mapping[str, Any]) -> tuple[Any, ...]:
    return (*(run[key] for key in _PLACE), run.get("number_format", "32-true"))


if __name__ == "__main__":
    main()
