"""``gandlf-synth reconstruct``."""

from pathlib import Path
from typing import Any

import click

from gandlf_synth.cli.options import (
    PATH,
    checkpoint_option,
    config_option,
    console,
    emit,
    format_option,
    json_option,
    model_dir_option,
    output_dir_option,
)


@click.command()
@model_dir_option
@click.option("-dt", "--main-data-csv-path", "csv", type=PATH, required=True, help="CSV of the images.")
@config_option(required=False)
@output_dir_option
@checkpoint_option
@click.option("--batch-size", type=click.IntRange(min=1), default=1, show_default=True, help="Images passed together.")
@format_option("auto")
@json_option
def reconstruct(csv: Path, **options: Any) -> None:
    """Pass images through a trained model of a family that reconstructs, and say how near they come back."""
    run_reconstruction(csv, **options)


def run_reconstruction(csv: Path, as_json: bool = False, **options: Any) -> None:
    """Reconstruct, and say where the images are and how near they are."""
    from gandlf_synth import api

    terminal = console()
    result = api.reconstruct(api.ReconstructionRequest(csv=csv, **options), terminal)
    for name, value in result.metrics.items():
        terminal.print(f"  {name}: {value:.4g}", highlight=False)
    terminal.print(f"Each image's are in {result.table}", highlight=False)
    emit(result, result.folder, as_json)
