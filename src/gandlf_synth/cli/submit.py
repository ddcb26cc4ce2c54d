"""``gandlf-synth submit``: a training as a job of Slurm."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gandlf_synth.cli.options import LOCAL_PATH, PATH, emit, json_option, mode_of
from gandlf_synth.cli.train import train
from gandlf_synth.errors import ConfigError, Problem

if TYPE_CHECKING:
    from gandlf_synth.cluster.job import Resources
    from gandlf_synth.config import Config

_PROGRAM = (sys.executable, "-m", "gandlf_synth")
_ONLY_FIRST = ("-rs", "-rm", "--resume", "-rt", "--reset")
_PREPARING_CPUS = 4


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "-o", "--output", type=LOCAL_PATH, default=Path("train.sbatch"), show_default=True, help="The file to write."
)
@click.option("--go", is_flag=True, help="Submit it as well, once Slurm has checked it.")
@click.option("--nodes", type=click.IntRange(min=1), help="Machines; absent: compute.num_nodes of the YAML.")
@click.option(
    "--devices", type=click.IntRange(min=1),
    help="GPUs of each machine, or processes without GPUs; absent: compute.num_devices of the YAML, else 1.",
)  # fmt: skip
@click.option("--gpu-type", default="", help="Kind of GPU, as the cluster names it; absent: any.")
@click.option(
    "--cpus", type=click.IntRange(min=1),
    help="Cores of each task; absent: one more than dataloader_config.train.num_workers, else 8.",
)  # fmt: skip
@click.option(
    "--mem", "memory", default="", help="Memory of each machine, such as 64G; absent: the partition's default."
)
@click.option(
    "--time", default="04:00:00", show_default=True, help="Limit of one stretch; training goes on in the next."
)
@click.option(
    "--lead", type=click.IntRange(60, 3600), default=300, show_default=True,
    help="Seconds before the limit at which training stops and writes its checkpoint.",
)  # fmt: skip
@click.option("--partition", default="", help="Partition; absent: the cluster's default.")
@click.option("--account", default="", help="Account that pays.")
@click.option("--qos", default="", help="Quality of service.")
@click.option("--job-name", "name", default="gandlf-synth", show_default=True, help="Name of the job and of its log.")
@click.option(
    "--before", multiple=True, metavar="LINE", help="Line of shell to run first: --before 'module load cuda'."
)
@click.option(
    "--prepare", "store", type=PATH, metavar="STORE", help="Prepare the CSV into this store first, in an array."
)
@click.option("--tasks", type=click.IntRange(1, 1000), default=16, show_default=True, help="Tasks of that array.")
@json_option
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def submit(
    words: tuple[str, ...], output: Path, go: bool, store: Path | None, tasks: int, before: tuple[str, ...],
    as_json: bool, **asked: Any,
) -> None:  # fmt: skip
    """Write a file for Slurm's sbatch that trains.

    For example: submit --devices 4 --go -- train -c config.yaml -dt data.csv -m-dir model

    When its time is over, the job goes back to the queue and on from its last checkpoint. The options of train, the
    YAML and the CSV are checked before anything is written. The file says the reason for each of its lines.
    """
    from gandlf_synth.cluster.job import Command
    from gandlf_synth.cluster.sbatch_file import preparation_file, training_file
    from gandlf_synth.cluster.slurm import check_file, submit_file
    from gandlf_synth.data.formats.shards.location import as_url
    from gandlf_synth.files import write_text

    options = _train_options(words)
    config = _checked_config(options)
    resources = _resources(config, asked)
    folder, cache = Path.cwd(), os.environ.get("GANDLF_SYNTH_CACHE", "")
    files: dict[str, Path] = {}
    kept, first = _split_words(words[1:])
    if store is not None:
        _check_preparation(options, store)
        place = as_url(store) or str(store)
        own = ("prepare", "-c", str(options["config"]), "-dt", str(options["train_csv"]), "-o", place)

        sets = tuple(word for value in options["overrides"] for word in ("--set", value))
        files["prepare"] = output.with_name(f"{output.stem}-prepare.sbatch")
        text = preparation_file(_preparing(resources), Command(_PROGRAM, (*own, *sets), folder, before, cache), tasks)
        write_text(files["prepare"], text)
        kept = (*_without_data(kept), "-dt", place)
    files["train"] = output
    command = Command(_PROGRAM, ("train", *kept), folder, before, cache)
    write_text(output, training_file(resources, command, str(options["model_dir"]), first))
    jobs: dict[str, str] = {}
    if go:
        for file in files.values():
            check_file(file, folder)
        for what, file in files.items():
            jobs[what] = submit_file(file, folder, after=jobs.get("prepare", ""))
    told = [f"{what}: {file}" + (f", job {jobs[what]}" if jobs else "") for what, file in files.items()]
    if not jobs:
        told.append(f"submit with: {_by_hand(files)}")
    emit({"files": files, "jobs": jobs}, "\n".join(told), as_json)


def _train_options(words: Sequence[str]) -> dict[str, Any]:
    """Return the options of ``train`` in ``words``, read as ``train`` reads them.

    Raises:
        ConfigError: another command, or options that make no sense in a job.
        click.UsageError: what ``train`` itself says of its options.
    """
    if not words or words[0] != "train":
        given = words[0] if words else "nothing"
        fix = "write: gandlf-synth submit -- train -c config.yaml -dt data.csv -m-dir model"
        raise ConfigError(Problem("submit", f"is given {given!r} behind --", "train and its options", fix))
    context = train.make_context("train", list(words[1:]), resilient_parsing=False)
    if context.params["dry_run"]:
        raise ConfigError(Problem("train --dry-run", "writes nothing, so that it needs no job", fix="call it here"))
    return context.params


def _checked_config(options: dict[str, Any]) -> "Config":
    """Return the configuration, once everything is right that a machine without the devices can tell."""
    from gandlf_synth.config import overridden, read_document
    from gandlf_synth.data.formats.shards.index import is_store
    from gandlf_synth.data.table.manifest import read_manifest
    from gandlf_synth.training.request import TrainingRequest, read_configuration
    from gandlf_synth.training.stored_data import chosen_data

    document = overridden(read_document(options["config"]), options["overrides"])
    data = chosen_data(document, options["train_csv"], "train_csv")
    request = TrainingRequest(
        document, data, options["model_dir"], options["val_csv"], options["test_csv"], options["val_ratio"],
        options["test_ratio"], mode_of(options["resume"], options["reset"]), init_from=options["init_from"],
    )  # fmt: skip
    request.folder.check(request.mode)
    config = read_configuration(request).config
    for table in (data, request.val_csv, request.test_csv):
        if table is not None and not is_store(table):
            read_manifest(table)
    return config


def _resources(config: "Config", asked: dict[str, Any]) -> "Resources":
    from gandlf_synth.cluster.job import Resources

    compute, workers = config.compute, config.dataloader_config.of("train").num_workers
    own = {"nodes": compute.num_nodes, "devices": 1 if compute.num_devices == "auto" else compute.num_devices}
    if workers != "auto":
        own["cpus"] = workers + 1
    given = {name: value for name, value in asked.items() if value is not None}
    resources = Resources(**{**own, **given}, gpu=compute.accelerator != "cpu")
    resources.check()
    sizes = [compute.strategy_config.get(name) for name in ("data_parallel_size", "tensor_parallel_size")]
    known = [size for size in sizes if isinstance(size, int)]
    if len(known) == 2 and known[0] * known[1] != resources.nodes * resources.devices:
        what = f"is {known[0]} times {known[1]}, and the job has {resources.nodes * resources.devices} processes"
        raise ConfigError(Problem("compute.strategy_config", what, fix="change --nodes and --devices, or the sizes"))
    return resources


def _preparing(resources: "Resources") -> "Resources":
    from dataclasses import replace

    return replace(resources, name=f"{resources.name}-prepare", gpu=False, gpu_type="", cpus=_PREPARING_CPUS)


def _check_preparation(options: dict[str, Any], store: Path) -> None:
    if options["train_csv"] is None:
        raise ConfigError(Problem("--prepare", f"has no CSV to put into {store}", fix="give train the CSV with -dt"))
    if options["val_csv"] or options["test_csv"]:
        what = "puts the training CSV into a store, and train is given CSVs for validation or test as well"
        fix = "split them off with -vr and -tr, or prepare the stores one by one with prepare --phase val --like STORE"
        raise ConfigError(Problem("--prepare", what, fix=fix))


def _split_words(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the options of ``train`` for every stretch of the job, and those for the first one only."""
    kept: list[str] = []
    first: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in _ONLY_FIRST:
            first.append("--reset" if word in ("-rt", "--reset") else "--resume")
        elif word == "--init-from" and rest:
            first += [word, rest.pop(0)]
        elif word.startswith("--init-from="):
            first.append(word)
        else:
            kept.append(word)
    return tuple(kept), tuple(first)


def _without_data(words: Sequence[str]) -> tuple[str, ...]:
    """Return ``words`` without the option that names the training data."""
    names = ("-dt", "--main-data-csv-path")
    drop = {place for place, word in enumerate(words) if word in names}
    drop |= {place + 1 for place in drop}
    return tuple(
        word for place, word in enumerate(words) if place not in drop and not word.startswith("--main-data-csv-path=")
    )


def _by_hand(files: dict[str, Path]) -> str:
    if "prepare" not in files:
        return f"sbatch {files['train']}"
    return f"sbatch --dependency=afterok:$(sbatch --parsable {files['prepare']}) {files['train']}"
