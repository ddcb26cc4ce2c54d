"""Processes that take runs from a queue, one thread each, and add a line to the results after each."""

import argparse
import json
import os
import time
import traceback
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import torch

from benchmarks.quality.datasets import load_image_set
from benchmarks.quality.recipes import RECIPES
from benchmarks.quality.run import Run, carry_out
from benchmarks.quality.scoring import Judge
from benchmarks.quality.speeds import read_speeds, speed_of

CACHE = Path(os.environ.get("QUALITY_CACHE", Path(gettempdir()) / "benchmark_quality"))
"""Where prepared images lie."""
_LONGEST_SCORING = {"cpu": 60.0, "cuda": 20.0}
_SHORTEST_RUN = 25.0


def work(queue: Any, options: argparse.Namespace, deadline: float | None) -> None:
    """Carry out runs until the queue says None; none begins after ``deadline``, of ``time.time``."""
    torch.set_num_threads(1)
    judge = Judge(torch.device(options.device))
    speeds = read_speeds(options.speeds)
    end = None if deadline is None else time.monotonic() + deadline - time.time() - _LONGEST_SCORING[options.device]
    while (task := queue.get()) is not None:
        data, name, seed, budget = task
        if end is not None and time.monotonic() > end - _SHORTEST_RUN:
            continue
        speed = speed_of(speeds, data, name) if options.device == "cuda" else {}
        recipe = RECIPES[name]
        if options.own_average:
            recipe = replace(recipe, averages=(), samplings=())
        share = 1 - recipe.first_share if recipe.first else 1.0
        first = speed.get("first_steps_per_second")
        run = Run(
            name, recipe, seed, budget,
            steps=round(speed["steps_per_second"] * budget * share) if speed else None,
            first_steps=round(first * budget * recipe.first_share) if first else None,
            pace=tuple(speed.get("pace", ())), first_pace=tuple(speed.get("first_pace", ())),
            images=options.images if data != "hippocampus" else min(options.images, 120), deadline=end,
            precision=options.precision,
        )  # fmt: skip
        try:
            found = carry_out(run, load_image_set(data, CACHE), judge, options.pictures) | _numbers(speed)
        except Exception as error:  # noqa: BLE001  the other runs go on
            found = {"recipe": name, "data": data, "seed": seed, "cpu_seconds": budget, "error": repr(error)[:500]}
            traceback.print_exc()
        if speed and "steps" in found:
            found["cpu_seconds_bought"] = _bought(found, speed)
        with options.output.open("a") as file:
            file.write(json.dumps(found) + "\n")
        kid = found.get("scores", {}).get("own", {}).get("kid")
        print(data, name, seed, budget, "steps", found.get("steps"), "KID", kid, found.get("seconds"), "s", flush=True)


def _numbers(speed: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in speed.items() if isinstance(value, float)}


def _bought(found: dict[str, Any], speed: dict[str, float]) -> float:
    """Return the processor's time that the steps of a run cost where the speeds were measured."""
    seconds = found["steps"] / speed["steps_per_second"]
    if found.get("first_steps"):
        seconds += found["first_steps"] / speed["first_steps_per_second"]
    return round(float(seconds), 1)
