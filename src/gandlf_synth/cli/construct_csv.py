"""``gandlf-synth construct-csv``."""

from pathlib import Path

import click

from gandlf_synth import api
from gandlf_synth.cli.options import PATH, emit, json_option
from gandlf_synth.config.model import LabelingParadigm
from gandlf_synth.errors import counted


@click.command("construct-csv")
@click.option("-i", "--input-dir", type=PATH, required=True, help="Folder of the images.")
@click.option(
    "-ch", "--channels-id", "channel_endings", required=True,
    help="File-name endings, one per channel: _t1.nii.gz,_t2.nii.gz",
)  # fmt: skip
@click.option(
    "-l", "--labeling-paradigm", "paradigm", required=True, type=click.Choice(["unlabeled", "patient", "custom"]),
    help="No labels, the patient folder as label, or the class folder as label.",
)  # fmt: skip
@click.option("-o", "--output-file", type=PATH, required=True, help="CSV to write.")
@click.option("--relative-paths", is_flag=True, help="Write paths relative to the CSV, so that both can be moved.")
@click.option("--overwrite", is_flag=True, help="Replace the CSV if it exists.")
@click.option("--patch-size", type=click.IntRange(16, 8192), help="Cut slides into squares of so many pixels.")
@click.option(
    "--magnification",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Of the patches of slides.",
)
@click.option(
    "--tissue",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Share of a patch that must be tissue.",
)
@json_option
def construct_csv(
    as_json: bool,
    input_dir: Path,
    channel_endings: str,
    paradigm: LabelingParadigm,
    output_file: Path,
    relative_paths: bool,
    overwrite: bool,
    patch_size: int | None,
    magnification: float,
    tissue: float,
) -> None:
    """Write the CSV of the images in a folder.

    Layouts: <patient>/<files> for unlabeled and patient, <class>/<patient>/<files> for custom; flat folders work too.
    A folder of DICOM files that are one series counts as one image: -ch .dcm for all, -ch t1/,t2/ by folder name.
    Whole-slide images become one row per patch on tissue with --patch-size.
    """
    from gandlf_synth.data.table.slide_tiles import TileGrid

    endings = [ending.strip() for ending in channel_endings.split(",")]
    report = api.construct_csv(
        input_dir,
        endings,
        paradigm,
        output_file,
        relative_paths=relative_paths,
        overwrite=overwrite,
        tiles=None if patch_size is None else TileGrid(patch_size, magnification, tissue),
    )
    classes = "".join(f"\n  {name}: {count}" for name, count in report.classes.items()) if paradigm == "custom" else ""
    counts = [counted(report.rows, "row"), counted(report.subjects, "subject"), counted(len(endings), "channel")]
    text = f"{output_file}: {', '.join(counts)}{classes}"
    emit(report, text, as_json)
    for warning in report.warnings:
        click.echo(f"note: {warning}", err=True)
