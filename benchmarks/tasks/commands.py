"""Run the commands as a user does, and say what they cost."""

import contextlib
import csv
import io
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from gandlf_synth.cli.main import main

Row = Mapping[str, object]

_PROGRAM = (sys.executable, "-m", "gandlf_synth")


@dataclass(frozen=True)
class Training:
    """A trained model and what it took.

    Args:
        folder: of the model.
        cpu_seconds: of the whole command, imports and validation included.
        steps: of the training.
    """

    folder: Path
    cpu_seconds: float
    steps: int

    @property
    def cost(self) -> dict[str, float]:
        """What the training took, for the results."""
        return {"cpu_seconds": round(self.cpu_seconds), "steps": self.steps}


def write_rows(file: Path, rows: Sequence[Row]) -> Path:
    """Write a CSV; its columns are the capitalized keys of the first row, the others are the benchmark's own."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [key for key in rows[0] if key[0].isupper()], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return file


def train(folder: Path, config: Mapping[str, object], rows: Sequence[Row], minutes: float) -> Training:
    """Train for ``minutes`` and return the model."""
    folder.mkdir(parents=True, exist_ok=True)
    YAML().dump(dict(config), folder / "config.yaml")
    table = write_rows(folder / "train.csv", rows)
    model = folder / "model"
    words: list[str | Path] = [
        "-c",
        folder / "config.yaml",
        "-dt",
        table,
        "-m-dir",
        model,
        "--minutes",
        str(minutes),
        "--reset",
    ]
    before = _cpu_seconds()
    _run("train", *words)
    record = json.loads((model / "run.json").read_text())
    return Training(model, _cpu_seconds() - before, int(record["steps"]))


def generate(training: Training, rows: Sequence[Row], output: Path, *words: str) -> Path:
    """Make the image of each row, in place of those of an earlier run; return the CSV of the images."""
    shutil.rmtree(output, ignore_errors=True)
    table = write_rows(output.with_suffix(".csv"), rows)
    _run("generate", "-m-dir", training.folder, "-dt", table, "-i-dir", output, *words)
    return next(output.rglob("images.csv"))


def compare(originals: Path, images: Path, output: Path, *words: str) -> dict[str, dict[str, float]]:
    """Return mean and 95 % interval of each paired metric."""
    _run("evaluate", "--paired", "-r", originals, "-s", images, "-o", output, *words)
    numbers: dict[str, dict[str, float]] = json.loads((output / "metrics.json").read_text())["metrics"]
    return numbers


def keep_sheet(images: Path, file: Path) -> None:
    """Copy the sheet of images that were made, to be looked at."""
    sheets = sorted(images.parents[1].rglob("contact_sheet*.png"))
    if sheets:
        shutil.copyfile(sheets[0], file)


def _run(*words: str | Path) -> None:
    """Run one command on one thread; what it prints goes into the error, if there is one.

    With ``GANDLF_SYNTH_BENCHMARK_HERE`` set it runs in this process, which saves the start of each: for short runs on a
    fast device.
    """
    texts = [str(word) for word in words]
    if os.environ.get("GANDLF_SYNTH_BENCHMARK_HERE"):
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = main(texts)
        if code:
            raise RuntimeError(f"{' '.join(texts)}\n{output.getvalue()[-2000:]}")
        return
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run([*_PROGRAM, *texts], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(texts)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def _cpu_seconds() -> float:
    """Return the seconds of this process and of those that it started and that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
