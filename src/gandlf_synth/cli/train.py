"""``gandlf-synth train``, and ``run``, the command of the existing GaNDLF-Synth."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from gandlf_synth.cli.generate import run_generation, run_reconstruction
from gandlf_synth.cli.options import (
    PATH,
    checkpoint_option,
    config_option,
    console,
    emit,
    json_option,
    mode_of,
    mode_options,
    model_dir_option,
    output_dir_option,
    seed_option,
    set_option,
    split_options,
)
from gandlf_synth.errors import ConfigError, Problem, StoppedError
from gandlf_synth.ranks import meet


@click.command()
@config_option(required=True)
@click.option(
    "-dt",
    "--main-data-csv-path",
    "train_csv",
    type=PATH,
    help="CSV of the training images, or a store that prepare has made; absent: data_store.location.",
)
@model_dir_option
@set_option
@split_options
@mode_options
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop when the run has trained for this time, all its sessions together, whatever num_epochs says.",
)
@click.option(
    "--new-data", is_flag=True, help="Go on (--resume) with other images than the run began with; they join training."
)
@click.option(
    "--init-from",
    "init_from",
    type=PATH,
    metavar="PATH",
    help="Start from a trained model: a model folder, an exported folder, a file of weights, a MONAI bundle.",
)
@click.option("--dry-run", is_flag=True, help="Check everything and show every choice; write nothing.")
@json_option
def train(config: Path, train_csv: Path | None, resume: bool, reset: bool, **options: Any) -> None:
    """Train a model from a CSV of images and a YAML."""
    run_training(config, train_csv, resume, reset, **options)


def run_training(
    config: Path,
    train_csv: Path | None,
    resume: bool,
    reset: bool,
    minutes: float | None = None,
    overrides: Sequence[str] = (),
    dry_run: bool = False,
    as_json: bool = False,
    **options: Any,
) -> None:
    """Train, and say where the model is and what to do next."""
    from gandlf_synth import api
    from gandlf_synth.config import overridden, read_document
    from gandlf_synth.training.request import TrainingRequest
    from gandlf_synth.training.stored_data import chosen_data

    terminal = console()
    seconds = minutes * 60 if minutes else None
    command = shlex.join(["gandlf-synth", *sys.argv[1:]])
    with meet().together():
        document = overridden(read_document(config), overrides)
        data = chosen_data(document, train_csv, "train_csv")
    request = TrainingRequest(
        config=document, train_csv=data, mode=mode_of(resume, reset), seconds=seconds, command=command, **options
    )
    if dry_run:
        plan = api.plan_training(request, terminal)
        lines = [*(f"{choice.key}: {choice.value} ({choice.reason})" for choice in plan.choices), *plan.notes]
        emit(plan, "\n".join(["would train; choices:", *lines]), as_json)
        return
    try:
        result = api.train(request, terminal)
    except StoppedError:
        terminal.print(f"Go on with: {_resuming(sys.argv[1:])}", highlight=False, soft_wrap=True)
        raise
    emit(result, result.checkpoint, as_json)
    images = "-dt rows.csv" if result.needs_rows else "-n 16"
    terminal.print(f"Next: gandlf-synth generate -m-dir {result.model_dir} {images}", highlight=False)


def _resuming(words: Sequence[str]) -> str:
    """Return the command line ``words`` with the flag that resumes in place of those that begin anew."""
    rest = [word for word in words if word not in ("-rt", "--reset", "-rs", "-rm", "--resume")]
    return shlex.join(["gandlf-synth", *rest, "--resume"])


@click.command()
@config_option(required=True)
@click.option(
    "-dt", "--main-data-csv-path", "main_csv", type=PATH, help="Training CSV; in inference, images to reconstruct."
)
@model_dir_option
@click.option("-t", "--training", is_flag=True, help="Train; without it, synthesise.")
@mode_options
@split_options
@output_dir_option
@checkpoint_option
@seed_option
def run(
    training: bool,
    config: Path,
    main_csv: Path | None,
    model_dir: Path,
    output_dir: Path | None,
    checkpoint: Path | None,
    seed: int | None,
    resume: bool,
    reset: bool,
    **splits: Any,
) -> None:
    """Train (-t) or synthesise, as in the existing GaNDLF-Synth; see also ``train`` and ``generate``."""
    if not training and main_csv is not None:
        run_reconstruction(main_csv, config=config, model_dir=model_dir, output_dir=output_dir, checkpoint=checkpoint)
        return
    if not training:
        run_generation(model_dir, config=config, output_dir=output_dir, checkpoint=checkpoint, seed=seed)
        return
    if main_csv is None:
        raise ConfigError(Problem("run -t", "needs the training CSV", fix="add -dt data.csv"))
    run_training(config, main_csv, resume, reset, model_dir=model_dir, checkpoint=checkpoint, **splits)
