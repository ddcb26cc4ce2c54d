"""``gandlf-synth generate``."""

from pathlib import Path
from typing import Any

import click

from gandlf_synth.cli.options import (
    PATH,
    checkpoint_option,
    config_option,
    console,
    emit,
    format_option,
    json_option,
    model_dir_option,
    output_dir_option,
    parse_counts,
    parse_only,
    seed_option,
)


@click.command()
@model_dir_option
@config_option(required=False)
@output_dir_option
@checkpoint_option
@click.option("-n", "counts", multiple=True, help="How many images: 16, or once per class: -n glioma=8 -n notumor=8")
@click.option("--per-class", type=click.IntRange(min=1), help="That many images of every class.")
@click.option("--only", help="Make only these images of the set, such as 3,7; they are the same as in the whole set.")
@seed_option
@click.option(
    "--batch-size", type=click.IntRange(min=1), help="Images sampled together; it changes speed, not the images."
)
@format_option(None)
@click.option("--sampler", help="Sampler of a diffusion model, such as ddim, dpmpp_2m, unipc, heun or ddpm.")
@click.option(
    "--steps", "num_inference_steps", type=click.IntRange(min=1), help="Denoising steps of a diffusion model."
)
@click.option("--resume", is_flag=True, help="Finish an interrupted call: make only the images that are missing.")
@click.option(
    "--refuse-copies",
    type=PATH,
    metavar="CSV",
    help="CSV that the model was trained on: what looks like one of its images is made again from another seed.",
)
@click.option("--guidance-scale", type=click.FloatRange(min=0), help="Strength of classifier-free guidance; 1 is none.")
@click.option("--dry-run", is_flag=True, help="Check everything and say what would be made; write nothing.")
@json_option
def generate(counts: tuple[str, ...], only: str | None, **options: Any) -> None:
    """Synthesise images with a trained model."""
    run_generation(counts=parse_counts(counts), only=parse_only(only), **options)


def run_generation(model_dir: Path, dry_run: bool = False, as_json: bool = False, **options: Any) -> None:
    """Synthesise, and say where the images are."""
    from gandlf_synth import api

    request = api.GenerationRequest(model_dir=model_dir, **options)
    if dry_run:
        plan = api.plan_generation(request)
        emit(plan, f"would make {plan.images} images with {plan.checkpoint}: {plan.sampling}", as_json)
        return
    result = api.generate(request, console())
    emit(result, result.folder, as_json)
