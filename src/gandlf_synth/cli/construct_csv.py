"""``gandlf-synth construct-csv``."""

from pathlib import Path

import click

from gandlf_synth import api
from gandlf_synth.cli.options import PATH
from gandlf_synth.config.model import LabelingParadigm


@click.command("construct-csv")
@click.option("-i", "--input-dir", type=PATH, required=True, help="Folder of the images.")
@click.option("-ch", "--channels-id", required=True, help="File-name endings, one per channel: _t1.nii.gz,_t2.nii.gz")
@click.option(
    "-l", "--labeling-paradigm", "paradigm", required=True, type=click.Choice(["unlabeled", "patient", "custom"]),
    help="No labels, the patient folder as label, or the class folder as label.",
)  # fmt: skip
@click.option("-o", "--output-file", type=PATH, required=True, help="CSV to write.")
@click.option("--relative-paths", is_flag=True, help="Write paths relative to the CSV, so that both can be moved.")
@click.option("--overwrite", is_flag=True, help="Replace the CSV if it exists.")
def construct_csv(
    input_dir: Path,
    channels_id: str,
    paradigm: LabelingParadigm,
    output_file: Path,
    relative_paths: bool,
    overwrite: bool,
) -> None:
    """Write the CSV of the images in a folder.

    Layouts: <patient>/<files> for unlabeled and patient, <class>/<patient>/<files> for custom; flat folders work too.
    """
    endings = [ending.strip() for ending in channels_id.split(",")]
    report = api.construct_csv(
        input_dir, endings, paradigm, output_file, relative_paths=relative_paths, overwrite=overwrite
    )
    classes = "".join(f"\n  {name}: {count}" for name, count in report.classes.items()) if paradigm == "custom" else ""
    click.echo(f"{output_file}: {report.rows} rows, {report.subjects} subjects, {len(endings)} channel(s){classes}")
    for warning in report.warnings:
        click.echo(f"note: {warning}", err=True)
