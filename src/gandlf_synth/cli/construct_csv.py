"""``gandlf-synth construct-csv``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gandlf_synth import api
from gandlf_synth.cli.options import LOCAL_PATH, PATH, emit, json_option
from gandlf_synth.config.model import LabelingParadigm
from gandlf_synth.errors import ConfigError, Problem, counted

if TYPE_CHECKING:
    from gandlf_synth.data.table.folder_samples import Endings


@click.command("construct-csv")
@click.option("-i", "--input-dir", type=PATH, required=True, help="Folder of the images.")
@click.option(
    "-ch", "--channels-id", "channel_endings",
    help="File-name endings, one per channel: _t1.nii.gz,_t2.nii.gz. Absent: BraTS, SynthRAD, KonfAI and nnU-Net "
    "folders are recognised.",
)  # fmt: skip
@click.option(
    "-s", "--sources-id", "source_endings",
    help="Endings of the images that the channels are to be made from, one per Source column.",
)  # fmt: skip
@click.option("--mask-id", help="Ending of the masks: labels of voxels, such as _seg.nii.gz")
@click.option("--region-id", help="Ending of the regions: 1 where an image is to be made anew.")
@click.option(
    "--table", type=PATH, help="Table with more about each subject, such as participants.tsv; adds its columns."
)
@click.option(
    "-l", "--labeling-paradigm", "paradigm", required=True, type=click.Choice(["unlabeled", "patient", "custom"]),
    help="No labels, the patient folder as label, or the class folder as label.",
)  # fmt: skip
@click.option("-o", "--output-file", type=LOCAL_PATH, required=True, help="CSV to write.")
@click.option("--relative-paths", is_flag=True, help="Write paths relative to the CSV, so that both can be moved.")
@click.option("--overwrite", is_flag=True, help="Replace the CSV if it exists.")
@click.option("--patch-size", type=click.IntRange(16, 8192), help="Cut slides into squares of so many pixels.")
@click.option(
    "--magnification",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Magnification of the patches that are cut from slides.",
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
    channel_endings: str | None,
    source_endings: str | None,
    mask_id: str | None,
    region_id: str | None,
    table: Path | None,
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

    endings = _endings(channel_endings, source_endings, mask_id, region_id)
    report = api.construct_csv(
        input_dir,
        endings,
        paradigm,
        output_file,
        relative_paths=relative_paths,
        overwrite=overwrite,
        tiles=None if patch_size is None else TileGrid(patch_size, magnification, tissue),
        participants=table,
    )
    classes = "".join(f"\n  {name}: {count}" for name, count in report.classes.items()) if paradigm == "custom" else ""
    counts = [counted(report.rows, "row"), counted(report.subjects, "subject")]
    if endings is not None:
        counts.append(counted(len(endings.channels), "channel"))
    text = f"{output_file}: {', '.join(counts)}{classes}"
    emit(report, text, as_json)
    for warning in report.warnings:
        click.echo(f"note: {warning}", err=True)


def _endings(channels: str | None, sources: str | None, mask: str | None, region: str | None) -> "Endings | None":
    """Return the endings of all columns, None where a known layout has to say."""
    from gandlf_synth.data.table.folder_samples import Endings

    if channels is None:
        if sources or mask or region:
            raise ConfigError(Problem("--channels-id", "is missing", "the endings of the images to be generated"))
        return None
    return Endings(_words(channels), _words(sources) if sources else (), (mask or "").strip(), (region or "").strip())


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))
