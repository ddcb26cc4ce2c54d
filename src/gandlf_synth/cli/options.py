"""Options that several commands share, with the spellings that users already have."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gandlf_synth import registry
from gandlf_synth.config import InferenceParameters
from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.launcher import is_first_process

if TYPE_CHECKING:
    from rich.console import Console

    from gandlf_synth.model_folder import Mode

Command = Callable[..., Any]


class _Place(click.Path):
    """A path of this machine or a URL, which a message is to show as it was typed."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if ":/" in str(value):
            from gandlf_synth.data.formats.shards.location import as_place

            return as_place(value)
        return super().convert(value, param, ctx)


PATH = _Place(path_type=Path)


class _LocalPath(click.Path):
    """A path of this machine: as one, a URL would be a folder of the name ``s3:``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from gandlf_synth.data.formats.shards.location import as_url

        if (url := as_url(value)) is not None:
            where = param.opts[0] if param else ""
            fix = "give a folder or file of this machine; URLs are for stores and for cells of a CSV"
            raise ConfigError(Problem(f"{where} {url}".strip(), "is a URL, and nothing can be written there", fix=fix))
        return super().convert(value, param, ctx)


LOCAL_PATH = _LocalPath(path_type=Path)


def config_option(required: bool) -> Callable[[Command], Command]:
    """The YAML."""
    return click.option("-c", "--config", type=PATH, required=required, help="The configuration (YAML).")


set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Replace a value of the YAML: --set model_config.guidance_scale=2",
)
model_dir_option = click.option(
    "-m-dir", "--model-dir", type=LOCAL_PATH, required=True, help="Folder that training writes and inference reads."
)
checkpoint_option = click.option(
    "-ckpt-path",
    "--custom-checkpoint-path",
    "checkpoint",
    type=PATH,
    help="Checkpoint to use; absent: the best, else the last.",
)
output_dir_option = click.option(
    "-i-dir", "--inference-output-dir", "output_dir", type=PATH, help="Where images go; absent: the model folder."
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), help="Seed of the images; absent: the configuration's."
)


_SAMPLING_FLAGS = {
    "batch_size": "--batch-size",
    "sampler": "--sampler",
    "num_inference_steps": "--steps",
    "guidance_scale": "--guidance-scale",
    "precision": "--precision",
    "n_samples": "--n-samples",
    "average": "--average",
    "overlap": "--overlap",
    "jump_length": "--jump-length",
    "jump_n_sample": "--jump-n-sample",
}


def sampling_options(command: Command) -> Command:
    """How images are sampled: types and texts are those of the YAML; absent: what the YAML says."""
    for name, flag in reversed(_SAMPLING_FLAGS.items()):
        field = InferenceParameters.model_fields[name]
        command = click.option(flag, name, type=_click_type(field), help=field.description)(command)
    return command


def _click_type(field: FieldInfo) -> "click.IntRange | click.FloatRange | click.types.StringParamType":
    """Return what click makes of a field's annotation and its least value."""
    least = next((limit.ge for limit in field.metadata if hasattr(limit, "ge")), None)
    kinds = {field.annotation, *get_args(field.annotation)}
    if int in kinds:
        return click.IntRange(min=least)
    return click.FloatRange(min=least) if float in kinds else click.STRING


def format_option(default: str | None) -> Callable[[Command], Command]:
    """The file format, by the name of a registered writer."""
    return click.option(
        "--format", "output_format", default=default, callback=_known_writer, shell_complete=_writer_names,
        metavar="NAME",
        help="File format: auto, the name of a writer, such as nifti, png or tiff, or store: few large files.",
    )  # fmt: skip


def _known_writer(_context: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
    problem = None if name in (None, "auto", "store") else registry.unknown_name("writers", str(name), "--format")
    if problem:
        raise ConfigError(problem)
    return name


def _writer_names(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    return [name for name in ("auto", "store", *registry.names("writers")) if name.startswith(typed)]


def split_options(command: Command) -> Command:
    """CSVs and ratios of validation and test."""
    ratio = click.FloatRange(0, 1, max_open=True)
    for option in (
        click.option("-tr", "--test-ratio", type=ratio, default=0.0, help="Fraction of subjects split off for test."),
        click.option(
            "-vr", "--val-ratio", type=ratio, default=0.0, help="Fraction of subjects split off for validation."
        ),
        click.option("-t-csv", "--test-csv-path", "test_csv", type=PATH, help="CSV of the test images."),
        click.option("-v-csv", "--val-csv-path", "val_csv", type=PATH, help="CSV of the validation images."),
    ):
        command = option(command)
    return command


def extractor_options(command: Command) -> Command:
    """What turns images into features."""
    for option in (
        click.option("--allow-download", is_flag=True, help="Let inception-v3 fetch its weights once (96 MB)."),
        click.option("--extractor-weights", type=PATH, help="Weights of extractors that bring none."),
        click.option(
            "--extractor",
            default="efficientnet-lite0",
            show_default=True,
            help="Feature extractor, or a TorchScript file.",
        ),
    ):
        command = option(command)
    return command


def comparison_options(of: str, count: int) -> Callable[[Command], Command]:
    """How many images are compared for each of what ``of`` names, and how they are made."""

    def add(command: Command) -> Command:
        for option in (
            click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the noise."),
            click.option(
                "--batch-size",
                type=click.IntRange(min=1),
                default=16,
                show_default=True,
                help="Images that are sampled together.",
            ),
            click.option(
                "-n",
                "count",
                type=click.IntRange(min=8),
                default=count,
                show_default=True,
                help=f"Images per {of}.",
            ),
        ):
            command = option(command)
        return command

    return add


def mode_options(command: Command) -> Command:
    """Resume and reset."""
    command = click.option("-rt", "--reset", is_flag=True, help="Delete the earlier run in the model folder first.")(
        command
    )
    return click.option("-rs", "-rm", "--resume", is_flag=True, help="Go on with the run in the model folder.")(command)


def mode_of(resume: bool, reset: bool) -> "Mode":
    """Return what the flags ask for; resume wins when both are given."""
    if resume:
        return "resume"
    return "reset" if reset else "new"


def parse_counts(values: tuple[str, ...]) -> int | dict[str, int] | None:
    """Return what ``-n 16`` or ``-n glioma=8 -n notumor=8`` asks for.

    Raises:
        ConfigError: neither a number nor ``class=number``.
    """
    if not values:
        return None
    if len(values) == 1 and values[0].isdigit():
        return int(values[0])
    counts = {}
    for value in values:
        name, separator, number = value.rpartition("=")
        if not separator or not number.isdigit():
            raise ConfigError(Problem("-n", f"{value!r} is not valid", "a number, or class=number for each class"))
        counts[name] = int(number)
    return counts


def parse_only(value: str | None) -> frozenset[int] | None:
    """Return the indices that ``--only 3,7`` names.

    Raises:
        ConfigError: not whole numbers.
    """
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",")]
    wrong = [part for part in parts if not part.isdigit()]
    if wrong:
        raise ConfigError(
            Problem("--only", f"{wrong[0]!r} is not valid", "whole numbers separated by commas, such as 3,7")
        )
    return frozenset(int(part) for part in parts)


def console() -> "Console":
    """Return where progress and results are shown: the standard error output, so that results can be piped.

    Of the processes of a distributed run only the first shows anything.
    """
    from rich.console import Console

    context = click.get_current_context(silent=True)
    quiet = bool(context and context.find_root().params.get("quiet")) or not is_first_process()
    return Console(stderr=True, soft_wrap=True, quiet=quiet)


json_option = click.option("--json", "as_json", is_flag=True, help="Write the whole result as JSON.")


def emit(result: object, text: object, as_json: bool) -> None:
    """Write a result to the standard output: as JSON, or the one line of ``text`` that scripts want."""
    if is_first_process():
        click.echo(json.dumps(_plain(result), indent=2) if as_json else text)


def _plain(value: object) -> object:
    """Return ``value`` as JSON can hold it."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): _plain(content) for key, content in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
