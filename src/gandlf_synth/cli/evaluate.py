"""``gandlf-synth evaluate`` and ``gandlf-synth report``."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from gandlf_synth.cli.options import LOCAL_PATH, PATH, Command, console, emit, extractor_options, json_option
from gandlf_synth.evaluation.paired.presets import PRESETS

_PAIRED = ("preset", "data_range", "mask_column", "segmenter", "segmenter_timeout", "error_maps", "metrics")
"""Options that mean something with --paired only."""


def paired_options(command: Command) -> Command:
    """How reconstructions are compared with their originals."""
    for option in (
        click.option("--segmenter-timeout", type=click.FloatRange(0, min_open=True), default=3600, show_default=True,
                     help="With --segmenter: the most seconds for one image."),
        click.option("--segmenter", default="", metavar="'CMD {in} {out}'",
                     help="With --paired: a program that segments an image, for Dice and HD95."),
        click.option("--error-maps", type=click.Choice(["worst", "all", "none"]), default="worst", show_default=True,
                     help="With --paired: for which pairs an image of the errors is written."),
        click.option("--data-range", type=float, nargs=2, metavar="LOW HIGH",
                     help="With --paired: the range of PSNR and SSIM; absent: each original's own."),
        click.option("--mask-column", type=click.Choice(["Mask", "Region", "none"]),
                     help="With --paired: the column that marks the voxels that count; absent: Mask."),
        click.option("--metrics", default="",
                     help="With --paired: names such as mean_absolute_error,ncc_max; absent: the usual."),
        click.option("--preset", type=click.Choice(list(PRESETS)),
                     help="With --paired: masks, ranges, windows and metrics of a challenge."),
        click.option("--paired", is_flag=True,
                     help="Compare image by image with the original of the same SubjectID or file name."),
    ):  # fmt: skip
        command = option(command)
    return command


_FORMATS = click.option(
    "--format",
    "formats",
    default="html",
    show_default=True,
    help="Of the report: html, pdf, md, json; or several: html,md.",
)


@click.command()
@click.argument("folders", nargs=-1, type=PATH)
@click.option("-r", "--real", type=PATH, help="CSV or folder of real images, best of unseen subjects.")
@click.option("-s", "--synthetic", type=PATH, help="CSV or folder of synthetic images.")
@click.option("-o", "--output-dir", type=LOCAL_PATH, required=True, help="Where report, numbers and arrays go.")
@click.option("--train", type=PATH, help="CSV or folder that the model was trained on, to search for copies.")
@click.option("-m-dir", "--model-dir", type=LOCAL_PATH, help="Model folder, for training curves and the run record.")
@extractor_options
@click.option("--intensity", type=click.Choice(["auto", "common", "per-image"]), default="auto", show_default=True,
              help="Compare in one range of values (common), or each image in its own (per-image).")  # fmt: skip
@click.option("--max-size", type=click.IntRange(min=16), default=256, show_default=True, help="Longest side compared.")
@click.option(
    "--slices", type=click.IntRange(min=1), default=5, show_default=True, help="Slices of a volume in each direction."
)
@click.option("--skip-unreadable", is_flag=True, help="Leave out, and say so, what cannot be read or holds NaN.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of subsampling and classifiers."
)
@click.option("--threshold", "thresholds", multiple=True, help="Change a threshold: --threshold kid_good=0.05")
@click.option("--compare", is_flag=True, help="Compare evaluations with each other: evaluate --compare A B -o both.")
@paired_options
@_FORMATS
@json_option
@click.pass_context
def evaluate(
    context: click.Context,
    /,
    folders: tuple[Path, ...],
    thresholds: tuple[str, ...],
    formats: str,
    paired: bool,
    compare: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Compare synthetic with real images: faithful, diverse, private, useful? Or, with --paired, image by image.

    With --compare, FOLDERS are what earlier evaluations wrote.
    """
    how = {name: options.pop(name) for name in _PAIRED}
    if compare:
        _compare(folders, options["output_dir"], formats, as_json)
        return
    _check_sets(context, folders)
    if paired:
        _paired(how, as_json, **options)
        return
    _refuse_paired_options()
    from gandlf_synth import api
    from gandlf_synth.evaluation.request import EvaluationRequest
    from gandlf_synth.evaluation.thresholds import parse_thresholds

    command = shlex.join(["gandlf-synth", *sys.argv[1:]])
    request = EvaluationRequest(thresholds=parse_thresholds(thresholds), command=command, **options)
    terminal = console()
    result = api.evaluate(request, parse_formats(formats), terminal)
    for warning in result.evaluation.warnings:
        terminal.print(f"warning: {warning}", style="yellow", highlight=False, markup=False)
    for verdict in result.evaluation.verdicts:
        terminal.print(f"{verdict.question}: {verdict.outcome}. {verdict.sentence}", highlight=False, markup=False)
    emit(result, "\n".join(map(str, result.reports)), as_json)


def _check_sets(context: click.Context, folders: tuple[Path, ...]) -> None:
    """Refuse folders without --compare, and an evaluation without its two sets."""
    if folders:
        raise click.UsageError(f"{folders[0]}: folders of evaluations need --compare; images go after -r and -s")
    for parameter in context.command.params:
        if parameter.name in {"real", "synthetic"} and context.params[parameter.name] is None:
            raise click.MissingParameter(ctx=context, param=parameter)


def _compare(folders: tuple[Path, ...], output_dir: Path, formats: str, as_json: bool) -> None:
    from gandlf_synth import api

    result = api.compare(folders, output_dir, parse_formats(formats))
    terminal = console()
    for caution in result.comparison.cautions:
        terminal.print(f"warning: {caution}", style="yellow", highlight=False, markup=False)
    for measure in result.comparison.measures:
        alike = len(measure.best) == len(measure.values)
        best = "no difference shown" if alike else f"better: {' and '.join(measure.best)}"
        terminal.print(f"{measure.title}: {best}", highlight=False, markup=False)
    emit(result, "\n".join(map(str, result.reports)), as_json)


def _refuse_paired_options() -> None:
    """Refuse options that would change nothing.

    Raises:
        ConfigError: one is given.
    """
    from gandlf_synth.errors import ConfigError, Problem, option

    context = click.get_current_context()
    for name in _PAIRED:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise ConfigError(
                Problem(
                    option(name),
                    f"is for pairs of images, and {option('paired')} is missing",
                    fix=f"add {option('paired')}",
                )
            )


def _paired(how: dict[str, Any], as_json: bool, real: Path, synthetic: Path, output_dir: Path, **more: Any) -> None:
    from gandlf_synth import api
    from gandlf_synth.evaluation.paired.request import PairedRequest

    names = tuple(name.strip() for name in how.pop("metrics").split(",") if name.strip())
    command = shlex.join(["gandlf-synth", *sys.argv[1:]])
    shared = {name: more[name] for name in ("seed", "extractor", "extractor_weights")}
    terminal = console()
    request = PairedRequest(real, synthetic, output_dir, names, command=command, **shared, **how)
    result = api.evaluate_paired(request, terminal)
    for note in result.notes:
        terminal.print(f"note: {note}", highlight=False, markup=False)
    for name, value in result.metrics.items():
        interval = f"{value.low:.4g} to {value.high:.4g}" if value.has_interval else "one subject: no interval"
        terminal.print(f"  {name}: {value.value:.4g} ({interval})", highlight=False)
    emit(result, result.page, as_json)


@click.command()
@click.argument("folder", type=PATH)
@_FORMATS
@json_option
def report(folder: Path, formats: str, as_json: bool) -> None:
    """Make the report of an evaluation again, from its metrics.json and arrays.npz."""
    from gandlf_synth import api

    written = api.report(folder, parse_formats(formats))
    emit(written, "\n".join(map(str, written)), as_json)


def parse_formats(value: str) -> list[str]:
    """Return the formats in a text such as ``html,md``.

    Raises:
        ConfigError: an unknown one.
    """
    from gandlf_synth.errors import ConfigError, Problem

    known = ["html", "pdf", "md", "json"]
    formats = [part.strip() for part in value.split(",")]
    for name in formats:
        if name not in known:
            raise ConfigError(Problem("--format", f"{name!r} is not valid", ", ".join(known)))
    return formats
