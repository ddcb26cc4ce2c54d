"""``gandlf-synth choose-average``."""

from pathlib import Path
from typing import Any

import click

from gandlf_synth.cli.options import (
    PATH,
    comparison_options,
    console,
    emit,
    extractor_options,
    json_option,
    model_dir_option,
)
from gandlf_synth.errors import ConfigError, Problem


@click.command("choose-average")
@model_dir_option
@click.option("-dt", "--main-data-csv-path", "csv", type=PATH, help="CSV of real images, best of unseen subjects.")
@click.option("--keep", metavar="WIDTH", help="Take this average without measuring: a width, or usual.")
@comparison_options("average", 100)
@extractor_options
@json_option
def choose_average(model_dir: Path, csv: Path | None, keep: str | None, as_json: bool, **options: Any) -> None:
    """Find which average of the weights gives the best images, and use it from then on (see ema_widths)."""
    from gandlf_synth import api

    if csv is not None and keep is not None:
        raise ConfigError(Problem("choose-average", "has both -dt and --keep", fix="leave one of them out"))
    if csv is None:
        kept = api.keep_average(model_dir, _given(keep))
        emit(kept, kept, as_json)
        return
    terminal = console()
    result = api.choose_average(api.AverageRequest(model_dir=model_dir, csv=csv, **options), terminal)
    for average in sorted(result.averages, key=lambda average: average.kid):
        chosen = "  ← kept" if average == result.best else ""
        terminal.print(
            f"  {average.name} of {average.checkpoint}: KID {average.kid:.4f} ({average.kid_low:.4f} to "
            f"{average.kid_high:.4f}), density {average.density:.2f}, coverage {average.coverage:.2f}{chosen}",
            highlight=False,
        )
    emit(result, result.checkpoint, as_json)


def _given(keep: str | None) -> str:
    if keep is None:
        what = "needs real images to compare with, or the name of an average"
        raise ConfigError(Problem("choose-average", what, fix="give -dt CSV, or --keep WIDTH"))
    return keep
