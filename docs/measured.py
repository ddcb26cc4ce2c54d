"""The page of benchmarks: tables of what lies in ``benchmarks/results``, with nothing typed by hand."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality.recipes import RECIPES

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
_PAGE = """\
# Benchmarks

Every number on this page is read from `benchmarks/results/*.json` when the page is built; the command below each table
measures it again. Brackets hold 95 % intervals. Figures of one table compare with one another, those of different
tables or machines do not.
"""
_NOT_KEPT = "*Not measured on this state of the code, or not kept.*"
_RIVALS = {
    "rival-diffusers": "settings of diffusers' training example",
    "rival-monai": "settings of MONAI's 2D DDPM tutorial",
    "rival-monai-latent": "settings of MONAI's 3D latent diffusion tutorial",
    "rival-diffusers-3d": "settings of diffusers' training example",
    "rival-existing-3d": "settings of the existing GaNDLF-Synth's default",
    "rival-existing": "settings of the existing GaNDLF-Synth's default",
    "existing_gandlf_synth": "settings of the existing GaNDLF-Synth's default",
}
_METRICS = {
    "peak_signal_noise_ratio": "PSNR, dB",
    "structural_similarity_index": "SSIM",
    "mean_absolute_error": "MAE",
}
Record = Mapping[str, Any]


def benchmarks_page(results: Path = RESULTS) -> str:
    """Return the page; ``results`` is the folder of the JSON files."""
    lines = [_PAGE]
    for device, sections in _SECTIONS.items():
        lines += [f"## {device}", ""]
        for title, file, command, tables in sections:
            path = results / file
            body = list(tables(json.loads(path.read_text(encoding="utf-8")))) if path.exists() else [_NOT_KEPT, ""]
            lines += [f"### {title}", "", *body, f"`python -m {command}` · `benchmarks/results/{file}`", ""]
    return "\n".join(lines)


def _equal_time(record: Record) -> Iterator[str]:
    """One table per data set and budget, the best first."""
    yield from _facts(record["setting"], "date", "score", "speeds", "note")
    groups: dict[tuple[str, float], list[Record]] = {}
    for run in (run for run in record["runs"] if "kid" in run):
        groups.setdefault((run["data"], run["cpu_seconds"]), []).append(run)
    for (data, seconds), runs in sorted(groups.items()):
        yield from (f"**{data}, {seconds:g} s of one thread**", "")
        real = record.get("real", {}).get(data)
        rows = [("real training images", "", _scored(real), "", "", "")] if real else []
        rows += [
            (f"`{run['recipe']}`", _family(run["recipe"]), _scored(run), run["seed"], run["steps"], _trained_on(run))
            for run in sorted(runs, key=_kid)
        ]
        yield from _table(("recipe", "family", "KID, lower is better", "seed", "steps", "trained on"), rows)
    yield from (
        "**What an autoencoder gives back of images that it was trained on: the limit of what is drawn from it**",
        "",
    )
    given_back = (
        (
            run["data"],
            f"`{run['recipe']}`",
            f"{run['cpu_seconds']:g}",
            _scored(run["reconstructions"]),
            run["reconstructions"]["psnr"],
        )
        for run in record["runs"]
        if "reconstructions" in run
    )
    yield from _table(("data", "recipe", "seconds", "KID, lower is better", "PSNR of unseen images, dB"), given_back)


def _family(recipe: str) -> str:
    if recipe not in RECIPES:
        return ""
    name = f"`{RECIPES[recipe].family}`"
    return f"{name}, {_RIVALS[recipe]}" if recipe in _RIVALS else name


def _kid(run: Record) -> float:
    return float(run["kid"])


def _scored(run: Record) -> str:
    return _interval({"value": _kid(run), **run})


def _trained_on(run: Record) -> str:
    device = {"cpu": "processor", "cuda": "GPU, as many steps"}[run.get("device", "cuda")]
    return ", ".join([device, *([run["number_format"]] if "number_format" in run else [])])


def _beside_the_existing(record: Record) -> Iterator[str]:
    yield from _facts(record["setting"], "date", "cores", "minutes_of_training", "images_scored", "score", "note")
    for data, task in record["tasks"].items():
        if not isinstance(task.get("floor"), Mapping) or "competitors" not in task:
            continue
        rows = [("real training images", _interval(task["floor"]), "", "", "")]
        for name, runs in task["competitors"].items():
            shown = _RIVALS.get(name, f"`{name}`")
            rows += [
                (shown, _interval(run["kid"]), run["steps"], run["seconds_per_image"], run["sampling"]) for run in runs
            ]
        yield f"**{data}**"
        yield ""
        yield from _table(("images", "KID, lower is better", "steps", "seconds for an image", "sampling"), rows)


def _sampling(record: Record) -> Iterator[str]:
    """One row for all recipes that cost the same."""
    costs: dict[tuple[str, float, float], list[str]] = {}
    for key, cost in record.items():
        data, recipe = key.split("/")
        costs.setdefault((data, cost["seconds_per_image"], cost["steps_per_second"]), []).append(recipe)
    rows = (
        (data, f"`{min(recipes, key=len)}`", _family(min(recipes, key=len)), sampling, steps)
        for (data, sampling, steps), recipes in sorted(costs.items())
    )
    yield from _table(("data", "recipe", "family", "seconds for an image", "training steps in a second"), rows)


_ABOUT = ("minutes", "date", "device")
_NOT_TRAINED = ("source itself", "mean of", "biharmonic")


def _tasks(record: Record) -> Iterator[str]:
    for name, task in record.items():
        about = ", ".join(
            f"{task['minutes']:g} minutes" if key == "minutes" else task[key] for key in _ABOUT if key in task
        )
        yield from (f"**{name.replace('_', ' ')}** ({about})", "")
        rows = [(*place, *(_interval(scores.get(key)) for key in _METRICS)) for place, scores in _scores(task)]
        if rows:
            yield from _table(("of", "images", "steps", *_METRICS.values()), rows)
        segmenters = [(images, f"{each['dice']:.3f} ± {each['interval']:.3f}") for images, each in _segmenters(task)]
        if "runs" in task:
            settings = ((run["name"], run["steps"], run["peak_signal_noise_ratio"]) for run in task["runs"])
            yield from _table(("settings", "steps", _METRICS["peak_signal_noise_ratio"]), settings)
        if segmenters:
            yield from _table((f"trained on ({task['steps']} steps)", "Dice on 40 other subjects"), segmenters)


def _segmenters(task: Record) -> Iterator[tuple[str, Record]]:
    return ((name, each) for name, each in task.items() if isinstance(each, Mapping) and "dice" in each)


def _scores(task: Record) -> Iterator[tuple[tuple[str, str, object], Record]]:
    """Yield where scores stand: the part of the task, the images, and the training steps."""
    for part, inner in {"": task, **{key: each for key, each in task.items() if isinstance(each, Mapping)}}.items():
        for name, scores in inner.items():
            if isinstance(scores, Mapping) and "peak_signal_noise_ratio" in scores:
                yield (part, name, "" if name.startswith(_NOT_TRAINED) else inner.get("steps", "")), scores


def _konfai(record: Record) -> Iterator[str]:
    yield from _facts(record, "konfai", "epochs", "date", "yaml_lines")
    yield from (*(f"- {note}" for note in record["notes"]), "")
    rows = [(*place, *(_interval(scores.get(key)) for key in _METRICS)) for place, scores in _scores(record)]
    yield from _table(("of", "images", "steps", *_METRICS.values()), rows)


def _fine_tuning(record: Record) -> Iterator[str]:
    yield from _facts(record["setting"], "parent", "child", "parent_steps", "batch", "images")
    rows = (
        (f"{run['dimensions']}D", run["arm"], run["steps"], _scored(run), run["precision"], run["coverage"])
        for run in sorted(
            record["runs"], key=lambda run: (run["dimensions"], run["seed"], run["steps"] > 1000, _kid(run))
        )
    )
    yield from _table(("images", "training", "steps", "KID, lower is better", "precision", "coverage"), rows)


def _startup(record: Record) -> Iterator[str]:
    two = record["two_processes_over_one"]
    rows = [(key.replace("_", " "), value) for key, value in record.items() if not isinstance(value, Mapping)]
    yield from _table(("what", "figure"), [*rows, ("images a second, one process", two["one_process"]),
                                           ("images a second, two processes", two["two_processes"])])  # fmt: skip


def _loader(record: Record) -> Iterator[str]:
    yield from _facts(record["setting"], "date", "cores", "processor", "torch", "batch_size", "figures")
    later = record["later_epochs"]
    names = sorted({name for data in later.values() for name in data["images_per_second"]})
    rows = [
        (data, each["images"], *(each["images_per_second"].get(name) for name in names)) for data, each in later.items()
    ]
    yield from ("**Images a second once they are prepared**", "")
    yield from _table(("data", "images", *(name.replace("_", " ") for name in names)), rows)
    rows = [(count, each["resident_mib"], each["peak_mib"]) for count, each in record["memory"]["by_rows"].items()]
    yield from ("**Memory by the rows of the CSV**", "")
    yield from _table(("rows", "resident MiB", "peak MiB"), rows)


def _against_bare_loops(record: Record) -> Iterator[str]:
    yield from _facts({**record["hardware"], **record["versions"]}, "machine", "cores", "threads", "python", "torch")
    rows = (
        (f"`{name}`", "×".join(map(str, case["shape"])), case["batch_size"], case["images_per_s"], case["ratio"])
        for name, case in record["cases"].items()
    )
    yield from _table(("network", "size", "batch", "images a second", "speed by that of a bare loop"), rows)


def _levers(record: Record) -> Iterator[str]:
    yield from _facts(record["setting"], *record["setting"])
    rows = ((name, each["images_per_second"], each["faster_than_fp32"]) for name, each in record["levers"].items())
    yield from _table(("setting", "images a second", "times as fast as fp32"), rows)


def _memory(record: Record) -> Iterator[str]:
    yield from _facts(record, "precision", "batch_size", "limit_mib")
    rows = (
        (name, case["fixed_mib"], case["bytes_per_voxel"], case["largest_side_in_8_gib"],
         ", ".join(f"{side}³: {peak:g}" for side, peak in case["peak_mib"].items()))
        for name, case in record["cases"].items()
    )  # fmt: skip
    yield from _table(("network", "fixed MiB", "bytes a voxel", "largest cube in 8 GiB, computed", "peak MiB"), rows)


def _scale(record: Record) -> Iterator[str]:
    rows = record["by_rows"]["runs"]
    yield from _facts(record["by_rows"]["setting"], "image", "cores", "note")
    names = list(dict.fromkeys(name for run in rows for name in run if name != "rows"))
    cells = ((run["rows"], *(_seconds_and_memory(run.get(name)) for name in names)) for run in rows)
    yield from _table(("rows of the CSV", *names), cells)


def _seconds_and_memory(step: Record | None) -> str:
    return f"{_number(step['cpu_seconds'])} CPU s, {step['peak_mib']} MiB" if step else ""


def _coverage(record: Record) -> Iterator[str]:
    cases = record["cases"]
    names = list(dict.fromkeys(name for case in cases.values() for name in case))
    yield from (f"{record['repeats']} simulations of each case: the share whose 95 % interval held the truth.", "")
    rows = ((name.replace("_", " "), *(_held(case.get(name)) for case in cases.values())) for name in names)
    yield from _table(("number", *cases), rows)


def _held(result: Record | float | None) -> object:
    return result["coverage"] if isinstance(result, Mapping) else result


def _evaluation(record: Record) -> Iterator[str]:
    yield from _facts(record["setting"], *record["setting"])
    runs = [(count, run) for count, run in record.items() if count != "setting"]
    names = list(dict.fromkeys(step for _, run in runs for step in run["steps"]))
    totals = [("all, seconds", *(run.get("seconds", "not to its end") for _, run in runs))]
    totals += [("all, CPU seconds", *(run.get("cpu_seconds") for _, run in runs))]
    totals += [("peak MiB", *(run["peak_mib"] for _, run in runs))]
    rows = [(name, *(run["steps"].get(name) for _, run in runs)) for name in names]
    yield from _table(("step, seconds", *(f"{count} images, {run['device']}" for count, run in runs)), totals + rows)


def _gpu(record: Record) -> Iterator[str]:
    yield from _facts({**record["setting"], **record["setting"]["versions"]}, "gpu", "python", "torch", "note")
    cases = {name: case for name, case in record["cases"].items() if "bf16" in case or "fit, bf16" in case}
    names = list(dict.fromkeys(name for case in cases.values() for name in case if "before" not in name))
    rows = ((f"`{case}`", *(_steps(values.get(name)) for name in names)) for case, values in cases.items())
    yield from ("**Images a second (ms for a step)**", "")
    yield from _table(("network and side", *names), rows)
    rows = ((name, *run.values()) for name, run in record["cases"].get("training", {}).items())
    yield from _table(("a whole training", "minutes", "epochs", "steps", "seconds", "losses"), rows)


def _steps(speed: Record | None) -> str:
    return f"{_number(speed['images_per_s'])} ({_number(speed['ms_per_step'])})" if speed else ""


Section = tuple[str, str, str, Callable[[Record], Iterator[str]]]
_SECTIONS: Mapping[str, Sequence[Section]] = {
    "On a processor": (
        ("Families at equal time", "quality.json", "benchmarks.quality", _equal_time),
        (
            "Families at equal time, in bfloat16",
            "quality_bfloat16.json",
            "benchmarks.quality --precision bf16-mixed",
            _equal_time,
        ),
        ("Beside the existing GaNDLF-Synth", "quality_cpu.json", "benchmarks.quality", _beside_the_existing),
        ("Sampling and training steps", "quality_speeds.json", "benchmarks.quality --measure-speeds", _sampling),
        ("Images from images", "tasks.json", "benchmarks.tasks", _tasks),
        ("Images from images, with KonfAI", "tasks_konfai.json", "benchmarks.tasks.konfai", _konfai),
        ("Start-up", "startup_cpu.json", "benchmarks.startup", _startup),
        ("Loading", "loader_cpu.json", "benchmarks.loader", _loader),
        ("Speed beside a bare PyTorch loop", "throughput_cpu.json", "benchmarks.throughput", _against_bare_loops),
        ("Number formats", "levers_cpu.json", "benchmarks.levers", _levers),
        ("Memory", "memory_cpu.json", "benchmarks.memory", _memory),
        ("Large tables", "scale.json", "benchmarks.scale", _scale),
        ("How often intervals hold the truth", "coverage.json", "benchmarks.coverage", _coverage),
    ),
    "On a GPU": (
        ("Training steps", "gpu.json", "benchmarks.gpu", _gpu),
        ("Training steps on a second card", "gpu_h200.json", "benchmarks.gpu -o FILE", _gpu),
        ("Fine-tuning with few subjects", "fine_tuning_gpu.json", "benchmarks.fine_tuning", _fine_tuning),
        ("Evaluating many images", "evaluation.json", "benchmarks.evaluation", _evaluation),
    ),
}


def _facts(record: Record, *keys: str) -> Iterator[str]:
    yield from (f"- **{key.replace('_', ' ')}**: {_number(record[key])}" for key in keys if key in record)
    yield ""


def _interval(value: object) -> str:
    """Return a value with its interval, if it has one."""
    if not isinstance(value, Mapping):
        return _number(value)
    if value.get("low") is None:
        return _number(value["value"])
    return f"{_number(value['value'])} ({_number(value['low'])} to {_number(value['high'])})"


def _number(value: object) -> str:
    """Return three significant digits of a fraction, and anything else as it is."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_number(each)}" for key, each in value.items())
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def _table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(headers)} |"
    yield f"|{'---|' * len(headers)}"
    for row in rows:
        yield f"| {' | '.join(_number(cell).replace('|', '&#124;') for cell in row)} |"
    yield ""
