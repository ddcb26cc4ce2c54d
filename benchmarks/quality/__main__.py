"""``python -m benchmarks.quality --recipes … --data … --cpu-seconds 480 [--device cuda] [--jobs 4]``."""

import argparse
import itertools
import json
import multiprocessing
import sys
import time
from pathlib import Path

from benchmarks.quality.datasets import IMAGE_SETS, load_image_set
from benchmarks.quality.recipes import RECIPES, SETS
from benchmarks.quality.speeds import SPEEDS, measure_speed, read_speeds
from benchmarks.quality.workers import CACHE, work


def main() -> None:
    """Measure speeds, or train, sample and score; a line of JSON for each run."""
    options = _parser().parse_args()
    names = [name for given in options.recipes for name in SETS.get(given, [given])]
    if options.measure_speeds:
        _measure(names, options)
        return
    done = _done(options.output)
    tasks = [task for task in _tasks(names, options) if task not in done]
    deadline = time.time() + options.wall if options.wall else None
    # Linux can give the workers what is imported already; none of it has touched a GPU.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    queue = context.Queue()
    for task in [*tasks, *[None] * options.jobs]:
        queue.put(task)
    workers = [context.Process(target=work, args=(queue, options, deadline)) for _ in range(options.jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(None if deadline is None else max(1.0, deadline - time.time()))
        if worker.is_alive():
            worker.kill()
    queue.cancel_join_thread()


def _tasks(names: list[str], options: argparse.Namespace) -> list[tuple[str, str, int, float]]:
    """Return data set, recipe, seed and budget of each run."""
    if options.plan:
        lines = [line.split() for line in options.plan.read_text().splitlines() if line.strip()]
        return [(data, name, int(seed), float(seconds)) for data, name, seed, seconds in lines]
    runs = itertools.product(options.seeds, options.cpu_seconds, options.data, names)
    return [(data, name, seed, seconds) for seed, seconds, data, name in runs]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality")
    parser.add_argument("--recipes", nargs="+", default=["rivals"], help=f"names or sets: {', '.join(SETS)}")
    parser.add_argument("--plan", type=Path, help="runs in their order, a line each: data recipe seed cpu-seconds")
    parser.add_argument("--data", nargs="+", choices=IMAGE_SETS, default=["phantoms"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--cpu-seconds", type=float, nargs="+", default=[480.0], help="of one thread")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="cuda: the steps that the seconds buy")
    parser.add_argument("--precision", choices=["32-true", "bf16-mixed"], default="32-true", help="of the training")
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side, a process each")
    parser.add_argument("--images", type=int, default=400, help="that are sampled and scored")
    parser.add_argument("--own-average", action="store_true", help="score no other average and no other sampler")
    parser.add_argument("--wall", type=float, help="stop after so many seconds")
    parser.add_argument("--speeds", type=Path, default=SPEEDS)
    parser.add_argument("--measure-speeds", action="store_true", help="on the CPU, and nothing else")
    parser.add_argument("--pictures", type=Path, help="folder for a sheet of each run")
    parser.add_argument("-o", "--output", type=Path, default=Path("quality.jsonl"))
    return parser


def _measure(names: list[str], options: argparse.Namespace) -> None:
    for data in options.data:
        images = load_image_set(data, CACHE)
        for name in names:
            speeds = read_speeds(options.speeds)
            if f"{data}/{name}" in speeds:
                continue
            alike = [
                other for other in RECIPES if RECIPES[other].cost == RECIPES[name].cost and f"{data}/{other}" in speeds
            ]
            if alike:
                speeds[f"{data}/{name}"] = speeds[f"{data}/{alike[0]}"]
            else:
                speeds[f"{data}/{name}"] = measure_speed(RECIPES[name], images, options.cpu_seconds[0])
            print(data, name, speeds[f"{data}/{name}"], flush=True)
            speeds = read_speeds(options.speeds) | speeds
            options.speeds.write_text(json.dumps(speeds, indent=1, sort_keys=True) + "\n")


def _done(file: Path) -> set[tuple[str, str, int, float]]:
    """Return the runs that the file holds, so that a benchmark that was stopped goes on."""
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return {(line["data"], line["recipe"], line["seed"], line["cpu_seconds"]) for line in lines if "error" not in line}


if __name__ == "__main__":
    main()
