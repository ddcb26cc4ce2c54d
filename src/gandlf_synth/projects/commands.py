"""The commands that follow ``init``, from the first look to the report, ready to paste."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from gandlf_synth.data.table.manifest import Manifest

_SPLIT_FLAGS = {"val": "-v-csv", "test": "-t-csv"}
_FEWEST_FOR_VALIDATION = 10
_IMAGES = 100
"""``evaluate`` calls intervals of fewer than 50 wide."""


def next_commands(project: Path, csvs: Mapping[str, Path], train: Manifest, *, from_rows: bool) -> tuple[str, ...]:
    """Return ``check``, ``preview``, ``train``, ``generate`` and ``evaluate`` for a project.

    Args:
        project: its folder.
        csvs: the CSV of each split.
        train: the rows for training.
        from_rows: images are made from the rows of a CSV.
    """
    model, made = project / "model", project / "model_inference_output"
    data = ["-c", project / "config.yaml", "-dt", csvs["train"]]
    splits = [word for split, flag in _SPLIT_FLAGS.items() if split in csvs for word in (flag, csvs[split])]
    if "val" not in csvs and len({sample.subject for sample in train.samples}) >= _FEWEST_FOR_VALIDATION:
        splits += ["-vr", "0.1"]
    unseen = csvs.get("test", csvs.get("val", csvs["train"]))
    rows = ["-dt", unseen] if from_rows else ["-n", _IMAGES]
    paired = from_rows and any(sample.channels and any(sample.sources) for sample in train.samples)
    compared = (
        ["--paired", "-r", unseen, "-s", made / "inference_logs" / "images.csv"]
        if paired
        else ["-r", unseen, "-s", made, "--train", csvs["train"], "-m-dir", model]
    )
    return (
        _command("check", *data, *splits),
        _command("preview", *data, "-o", project / "preview"),
        _command("train", *data, "-m-dir", model, *splits),
        _command("generate", "-m-dir", model, *rows, "-i-dir", project),
        _command("evaluate", *compared, "-o", project / "evaluation"),
    )


def _command(*words: object) -> str:
    return shlex.join(["gandlf-synth", *map(str, words)])
