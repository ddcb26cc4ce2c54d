"""How many steps a second of the processor buys, measured with one thread and kept in a file.

Who has measured once may train as many steps anywhere, on a GPU too, and knows what they would have cost.
"""

import json
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.quality.budget import Budget
from benchmarks.quality.datasets import ImageSet
from benchmarks.quality.denoising import train_denoiser
from benchmarks.quality.recipe import Recipe
from benchmarks.quality.recipes import RECIPES
from benchmarks.quality.run import build, seconds_per_image
from benchmarks.quality.turns import train_turns
from gandlf_synth.models.components.denoising import DenoisingModule

SPEEDS = Path(__file__).parents[1] / "results" / "quality_speeds.json"


def read_speeds(file: Path) -> dict[str, dict[str, Any]]:
    """Return what was measured, by ``data/recipe``."""
    return json.loads(file.read_text()) if file.exists() else {}


def speed_of(speeds: dict[str, dict[str, Any]], data: str, name: str) -> dict[str, Any]:
    """Return the speed of a recipe, or of one that costs the same; nothing where none was measured."""
    alike = [other for other in RECIPES if RECIPES[other].cost == RECIPES[name].cost]
    return next((speeds[key] for key in (f"{data}/{recipe}" for recipe in (name, *alike)) if key in speeds), {})


def measure_speed(recipe: Recipe, data: ImageSet, cpu_seconds: float) -> dict[str, Any]:
    """Return steps a second of the processor, how they are spread, and its seconds an image."""
    torch.set_num_threads(1)
    device = torch.device("cpu")
    found, paces = {}, {}
    if recipe.first:
        found["first_steps_per_second"], paces["first_pace"] = _of_turns(recipe.first, data, cpu_seconds, device)
    module = build(recipe, data)
    if isinstance(module, DenoisingModule):
        clean = data.train[:64]
        if recipe.first:
            clean = torch.randn(64, *module.noise_shape)
        labels = None if data.labels is None else data.labels[:64]
        train_denoiser(module, recipe, clean, labels, Budget(steps=2), device)
        started = time.process_time()
        steps, _, _ = train_denoiser(module, recipe, clean, labels, Budget(cpu_seconds=cpu_seconds), device)
        found["steps_per_second"] = steps / (time.process_time() - started)
    else:
        found["steps_per_second"], paces["pace"] = _of_turns(recipe, data, cpu_seconds, device)
    with torch.inference_mode():
        found["seconds_per_image"] = seconds_per_image(module, data)
    return {name: round(value, 4) for name, value in found.items()} | paces


def _of_turns(recipe: Recipe, data: ImageSet, cpu_seconds: float, device: torch.device) -> tuple[float, list[float]]:
    """Return the steps of a second, and the pace: see ``Budget``."""
    module: Any = build(recipe, data)
    steps, facts = train_turns(module, recipe, data.train[:64], None if data.labels is None else data.labels[:64],
                               Budget(cpu_seconds=cpu_seconds), device)  # fmt: skip
    return float((steps - 2) / facts["cpu_seconds_of_steps"]) if steps > 2 else 1 / cpu_seconds, facts["pace"]
