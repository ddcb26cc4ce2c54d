"""``gandlf-synth preview``."""

from pathlib import Path
from typing import Any

import click

from gandlf_synth.cli.options import PATH, config_option, console, emit, json_option, set_option, split_options


@click.command()
@config_option(required=True)
@click.option("-dt", "--main-data-csv-path", "train_csv", type=PATH, required=True, help="CSV of the training images.")
@set_option
@split_options
@click.option("-o", "--output", type=PATH, default=Path("preview"), show_default=True, help="Folder to write into.")
@click.option("-n", "--count", type=click.IntRange(min=1), default=6, show_default=True, help="Samples to show.")
@json_option
def preview(
    config: Path, train_csv: Path, overrides: tuple[str, ...], output: Path, count: int, as_json: bool, **splits: Any
) -> None:
    """Write a picture of what the network will really see: each sample raw, prepared and augmented."""
    from gandlf_synth import api
    from gandlf_synth.config import overridden, read_document
    from gandlf_synth.training.request import TrainingRequest

    document = overridden(read_document(config), overrides)
    request = TrainingRequest(config=document, train_csv=train_csv, model_dir=output, **splits)
    picture = api.preview(request, output, console(), count=count)
    emit({"picture": picture}, picture, as_json)
