"""T1 to FLAIR by KonfAI, on the slices and in the time of ``experiments.translation``.

``python -m benchmarks.tasks.konfai --program VENV/bin/konfai`` (KonfAI 1.8.7, with SimpleITK) trains a U-Net++ per
patient left out (``konfai_train.yaml``), makes that patient's slices (``konfai_predict.yaml``), compares them by our
``evaluate --paired``, and writes ``results/tasks_konfai.json``. KonfAI stops after epochs, not minutes: as many are
asked for as fit.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from ruamel.yaml import YAML

from benchmarks.tasks.cohorts import PATIENTS, write_image, write_slices
from benchmarks.tasks.commands import compare, write_rows

Files = Mapping[tuple[str, int], Mapping[str, Path]]

_HERE = Path(__file__).parent
_RESULTS = _HERE.parent / "results" / "tasks_konfai.json"
_RANGE = ("--data-range", "0", "1", "--mask-column", "none", "--error-maps", "none")
_EPOCHS = 53
"""Four minutes of CPU where this was measured; the results say how long it was."""
_COPIES = 2
"""KonfAI shows each slice as it is and once more, flipped at random, per epoch."""


class KonfAI:
    """KonfAI in a working folder, where it keeps everything by the names in the two YAML files.

    Args:
        folder: to work in.
        program: the ``konfai`` command.
    """

    def __init__(self, folder: Path, program: Path) -> None:
        self._folder = folder
        self._program = program

    def write_cases(self, files: Files, held_out: str) -> None:
        """Write the slices of each patient as one volume, 4 mm between them; that of ``held_out`` without FLAIR."""
        for patient in PATIENTS:
            place = self._folder / ("HeldOut" if patient == held_out else "Dataset") / patient
            for name in ("t1",) if patient == held_out else ("t1", "flair"):
                slices = [nibabel.load(files[who, at][name]) for who, at in files if who == patient]
                values = np.concatenate([np.asarray(one.dataobj) for one in slices], -1)
                write_image(place / f"{name.upper()}.nii.gz", values, np.diag([2.0, 2, 4, 1]))

    def train(self, epochs: int, slices: int) -> tuple[float, int]:
        """Train anew and return the seconds of CPU of the whole command, and the steps."""
        config = YAML().load(_HERE / "konfai_train.yaml")
        trainer = config["Trainer"]
        steps = epochs * -(-slices * _COPIES // trainer["Dataset"]["batch_size"])
        trainer["epochs"] = epochs
        trainer["Model"]["NestedUNet"]["schedulers"]["CosineAnnealingLR"]["T_max"] = steps
        YAML().dump(config, self._folder / "Config.yml")
        shutil.rmtree(self._folder / "Checkpoints", ignore_errors=True)
        return self._run("TRAIN", "--config", "Config.yml"), steps

    def predict(self) -> Path:
        """Make the FLAIR of the held-out patient and return its file."""
        shutil.copyfile(_HERE / "konfai_predict.yaml", self._folder / "Prediction.yml")
        (weights,) = (self._folder / "Checkpoints" / "TRANSLATION").glob("[0-9]*.pt")
        self._run("PREDICTION", "--config", "Prediction.yml", "--models", str(weights))
        return next((self._folder / "Predictions").rglob("FLAIR.nii.gz"))

    def _run(self, *words: str) -> float:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {
            "OMP_NUM_THREADS": "1"
        }
        command = [str(self._program), words[0], "-y", "--cpu", "1", *words[1:]]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, cwd=self._folder, env=environment, capture_output=True, text=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode or "[Config]" in done.stdout:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def translate(folder: Path, files: Files, patient: str, epochs: int, konfai: KonfAI) -> dict[str, Any]:
    """Train on the others, make the slices of ``patient``, and compare them."""
    konfai.write_cases(files, patient)
    slices = sum(who != patient for who, _ in files)
    spent, steps = konfai.train(epochs, slices)
    made = nibabel.load(konfai.predict())
    heights = [at for who, at in files if who == patient]
    images = [
        write_image(folder / "made" / f"{patient}_{at}.nii.gz", np.asarray(made.dataobj)[..., place : place + 1])
        for place, at in enumerate(heights)
    ]
    truth, made_rows = (
        [{"SubjectID": f"{patient}_{at}", "Channel_0": file} for at, file in zip(heights, column, strict=True)]
        for column in ([files[patient, at]["flair"] for at in heights], images)
    )
    tables = write_rows(folder / "truth.csv", truth), write_rows(folder / "made.csv", made_rows)
    return {
        "cpu_seconds": round(spent),
        "steps": steps,
        "model": compare(tables[0], tables[1], folder / "report", *_RANGE),
    }


def main() -> None:
    """Leave each patient out once and write the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tasks.konfai")
    parser.add_argument("--program", type=Path, required=True, help="the konfai command, in an environment of its own")
    parser.add_argument("--epochs", type=int, default=_EPOCHS, help="of each training, on one thread")
    parser.add_argument("--work", type=Path, default=Path("benchmark_tasks"), help="where models and images go")
    parser.add_argument("-o", "--output", type=Path, default=_RESULTS)
    options = parser.parse_args()
    work = (options.work / "konfai").resolve()
    files = write_slices(work / "slices")
    results: dict[str, Any] = {"epochs": options.epochs, "date": time.strftime("%Y-%m-%d")}
    for patient in PATIENTS:
        konfai = KonfAI(work / patient, options.program)
        results[patient] = translate(work / patient, files, patient, options.epochs, konfai)
        options.output.write_text(json.dumps(results, indent=1) + "\n")
        print(patient, json.dumps(results[patient]), flush=True)


if __name__ == "__main__":
    main()
