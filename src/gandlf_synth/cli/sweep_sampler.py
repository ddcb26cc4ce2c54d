"""``gandlf-synth sweep-sampler``."""

from typing import Any

import click

from gandlf_synth.cli.options import (
    PATH,
    checkpoint_option,
    comparison_options,
    console,
    emit,
    extractor_options,
    json_option,
    model_dir_option,
)
from gandlf_synth.errors import ConfigError, Problem


@click.command("sweep-sampler")
@model_dir_option
@click.option(
    "-dt", "--main-data-csv-path", "csv", type=PATH, required=True, help="CSV of real images, best of unseen subjects."
)
@checkpoint_option
@click.option("--samplers", help="Names such as ddim,dpmpp_2m; absent: all samplers of the family.")
@click.option("--steps", default="10,25,50", show_default=True, help="How many steps to try with each sampler.")
@comparison_options("setting", 64)
@extractor_options
@json_option
def sweep_sampler(samplers: str | None, steps: str, as_json: bool, **options: Any) -> None:
    """Find the sampler and the steps that give the best images for the time, and keep them with the model."""
    from gandlf_synth import api

    terminal = console()
    names = tuple(name.strip() for name in samplers.split(",")) if samplers else ()
    request = api.SweepRequest(samplers=names, steps=_parse_numbers(steps), **options)
    result = api.sweep_sampler(request, terminal)
    for setting in sorted(result.settings, key=lambda setting: setting.kid):
        chosen = "  ← kept" if setting == result.best else ""
        terminal.print(
            f"  {setting.sampler} {setting.num_inference_steps}: KID {setting.kid:.4f} ({setting.kid_low:.4f} to "
            f"{setting.kid_high:.4f}), {setting.seconds_per_image:.3f} s per image{chosen}",
            highlight=False,
        )
    emit(result, result.page, as_json)


def _parse_numbers(text: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdigit() and int(word) > 0 for word in words):
        raise ConfigError(Problem("--steps", f"{text!r} is not valid", "numbers with commas, such as 10,25,50"))
    return tuple(map(int, words))
