"""``gandlf-synth prepare``: images preprocessed once, into a store that many trainings read."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gandlf_synth.cli.options import PATH, config_option, console, emit, json_option, set_option
from gandlf_synth.errors import ConfigError, Problem

if TYPE_CHECKING:
    from gandlf_synth.config import Phase
    from gandlf_synth.data.formats.shards.encoding import StoredType

_MEGABYTE = 10**6


@click.command()
@config_option(required=True)
@click.option("-dt", "--main-data-csv-path", "csv", type=PATH, required=True, help="CSV of the images.")
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="Folder or URL of the store, such as s3://bucket/store; absent: data_store.location.",
)
@set_option
@click.option(
    "--shard", "task", metavar="K/N", help="Do the K-th of N shares, as one of N tasks; 3/16. All share one store."
)
@click.option(
    "--dtype",
    "stored_type",
    type=click.Choice(["float16", "int16", "float32"]),
    help="Number type of the stored images; absent: what data_store.dtype says.",
)
@click.option(
    "--phase", type=click.Choice(["train", "val", "test"]), default="train", show_default=True,
    help="The phase of a training that the images are for.",
)  # fmt: skip
@click.option("--like", type=PATH, help="Store of the training images, whose preprocessing is taken over.")
@click.option(
    "--shard-size", type=click.IntRange(min=1), default=256, show_default=True, help="Megabytes of a shard, about."
)
@json_option
def prepare(
    config: Path,
    csv: Path,
    output: Path | None,
    overrides: tuple[str, ...],
    task: str | None,
    stored_type: "StoredType | None",
    phase: "Phase",
    like: Path | None,
    shard_size: int,
    as_json: bool,
) -> None:
    """Preprocess images once, into a store of few large files that train reads with -dt STORE.

    A call that was killed is repeated and goes on. Several tasks share the work with --shard, each with its own number;
    the one that ends last writes the index.
    """
    from gandlf_synth import api
    from gandlf_synth.config import overridden, read_document
    from gandlf_synth.training.store_preparation import PreparationRequest

    request = PreparationRequest(
        overridden(read_document(config), overrides), csv, output, _parse_task(task), stored_type, phase, like,
        shard_size * _MEGABYTE,
    )  # fmt: skip
    result = api.prepare(request, console())
    emit(result, str(result), as_json)


def _parse_task(task: str | None) -> tuple[int, int]:
    if task is None:
        return 1, 1
    match = re.fullmatch(r"(\d+)/(\d+)", task.strip())
    if match is None:
        fix = 'with Slurm: --shard "$SLURM_ARRAY_TASK_ID/16" and #SBATCH --array=1-16'
        raise ConfigError(Problem("--shard", f"is {task!r}", "K/N, such as 3/16 for the third of 16 tasks", fix))
    return int(match[1]), int(match[2])
