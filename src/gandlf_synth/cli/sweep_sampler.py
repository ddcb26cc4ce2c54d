"""``gandlf-synth sweep-sampler``."""

from typing import Any

import click

from gandlf_synth.cli.options import (
    PATH,
    checkpoint_option,
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
@click.option("--samplers", help="Which, such as ddim,dpmpp_2m; absent: all of the family.")
@click.option("--steps", default="10,25,50", show_default=True, help="How many steps each is tried with.")
@click.option("-n", "count", type=click.IntRange(min=8), default=64, show_default=True, help="Images per setting.")
@click.option("--batch-size", type=click.IntRange(min=1), default=16, show_default=True, help="Images made together.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the noise.")
@extractor_options
@json_option
def sweep_sampler(samplers: str | None, steps: str, as_json: bool, **options: Any) -> None:
    """Find the sampler and the steps that give the best images for the time, and keep them with the model."""
    from gandlf_synth import api

    terminal = console()
    names = tuple(name.strip() for name in samplers.split(",")) if samplers else ()
    request = api.SweepRequest(samplers=names, steps=_numbers(steps), **options)
    result = api.sweep_sampler(request, terminal)
    for each in sorted(result.settings, key=lambda each: each.kid):
        chosen = "  ← kept" if each == result.best else ""
        terminal.print(
            f"  {each.sampler} {each.num_inference_steps}: KID {each.kid:.4f} ({each.kid_low:.4f} to "
            f"{each.kid_high:.4f}), {each.seconds_per_image:.3f} s per image{chosen}",
            highlight=False,
        )
    emit(result, result.page, as_json)


def _numbers(text: str) -> tuple[int, ...]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdigit() and int(word) > 0 for word in words):
        raise ConfigError(Problem("--steps", f"{text!r} is not valid", "numbers with commas, such as 10,25,50"))
    return tuple(map(int, words))
