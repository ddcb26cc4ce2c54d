"""``gandlf-synth run``: the command of the existing GaNDLF-Synth, for training and for inference."""

from pathlib import Path
from typing import Any

import click

from gandlf_synth.cli.generate import run_generation
from gandlf_synth.cli.options import (
    PATH,
    checkpoint_option,
    config_option,
    mode_options,
    model_dir_option,
    output_dir_option,
    seed_option,
    split_options,
)
from gandlf_synth.cli.reconstruct import run_reconstruction
from gandlf_synth.cli.train import run_training
from gandlf_synth.errors import ConfigError, Problem


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
