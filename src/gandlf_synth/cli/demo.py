"""``gandlf-synth demo``."""

from pathlib import Path

import click

from gandlf_synth.cli.options import PATH, console, emit, json_option


@click.command()
@click.option("-o", "--output", type=PATH, default=Path("demo_output"), show_default=True, help="Folder to make.")
@click.option(
    "--data-dir", type=PATH, help="Images of your own, <class>/<subject>/<file>; absent: brain slices from a package."
)
@click.option(
    "--dimensions", type=click.Choice(["2", "3"]), default="2", show_default=True, help="Of the built-in images."
)
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), default=4.0, show_default=True, help="Training time."
)
@json_option
def demo(output: Path, data_dir: Path | None, dimensions: str, minutes: float, as_json: bool) -> None:
    """Do the whole job on real images: CSV, training, synthesis, and a sheet of real beside synthetic."""
    from gandlf_synth.demo.demo import run_demo

    result = run_demo(output, console(), data_dir=data_dir, dimensions=int(dimensions), minutes=minutes)
    emit(result, result.sheet, as_json)
