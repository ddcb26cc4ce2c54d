"""``gandlf-synth export``."""

from pathlib import Path

import click

from gandlf_synth.cli.options import PATH, checkpoint_option, emit, json_option, model_dir_option


@click.command()
@model_dir_option
@checkpoint_option
@click.option("-o", "--output", "folder", type=PATH, required=True, help="New folder to write.")
@click.option(
    "--format",
    "formats",
    type=click.Choice(["safetensors", "bundle", "torchscript", "onnx"]),
    multiple=True,
    help="What to write besides weights.safetensors and the model card; may be given several times.",
)
@json_option
def export(model_dir: Path, checkpoint: Path | None, folder: Path, formats: tuple[str, ...], as_json: bool) -> None:
    """Write a trained model for others: weights with a model card, a MONAI bundle, TorchScript, ONNX."""
    from gandlf_synth import api

    written = api.export_model(model_dir, folder, formats=formats, checkpoint=checkpoint)
    emit(written, "\n".join(map(str, written)), as_json)
