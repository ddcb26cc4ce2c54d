"""``gandlf-synth generate``, ``reconstruct`` and ``export``: what a trained model gives."""

from pathlib import Path
from typing import Any

import click

from gandlf_synth.cli.options import (
    LOCAL_PATH,
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
    sampling_options,
    seed_option,
)


@click.command()
@model_dir_option
@click.option(
    "-dt",
    "--main-data-csv-path",
    "csv",
    type=PATH,
    help="CSV of what images are made from, one row each: Source_0 …, Mask, Region (to be made anew in Channel_0), "
    "columns that the model was trained with.",
)
@config_option(required=False)
@output_dir_option
@checkpoint_option
@click.option("-n", "counts", multiple=True, help="How many images: 16, or once per class: -n glioma=8 -n notumor=8")
@click.option("--per-class", type=click.IntRange(min=1), help="That many images of every class.")
@click.option(
    "--only",
    help="Make only these images of the set, or these rows of the CSV, such as 3,7; they are the same as in the whole.",
)
@seed_option
@sampling_options
@format_option(None)
@click.option(
    "--layout",
    type=click.Choice(["plain", "bids"]),
    default="plain",
    show_default=True,
    help="How the output folder is ordered: all images in one folder, or as a BIDS derivative dataset.",
)
@click.option(
    "--bids-suffix",
    multiple=True,
    metavar="SUFFIX",
    help="With --layout bids: what the images are, such as T1w; once per channel column where names do not tell.",
)
@click.option(
    "--skull-stripped", is_flag=True, help="With --layout bids: say that everything but the brain is 0 in the images."
)
@click.option(
    "--sign-key", type=PATH, metavar="FILE", help="Ed25519 private key that signs images and sidecars (extra: sign)."
)
@click.option("--resume", is_flag=True, help="Finish an interrupted call: make only the images that are missing.")
@click.option(
    "--refuse-copies",
    type=PATH,
    metavar="CSV",
    help="CSV that the model was trained on: what looks like one of its images is made again from another seed.",
)
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


@click.command()
@model_dir_option
@click.option("-dt", "--main-data-csv-path", "csv", type=PATH, required=True, help="CSV of the images.")
@config_option(required=False)
@output_dir_option
@checkpoint_option
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Images that go through the network together.",
)
@format_option("auto")
@json_option
def reconstruct(csv: Path, **options: Any) -> None:
    """Pass images through a trained model of a family that reconstructs, and say how near they come back."""
    run_reconstruction(csv, **options)


def run_reconstruction(csv: Path, as_json: bool = False, **options: Any) -> None:
    """Reconstruct, and say where the images are and how near they are."""
    from gandlf_synth import api

    terminal = console()
    result = api.reconstruct(api.ReconstructionRequest(csv=csv, **options), terminal)
    for name, value in result.metrics.items():
        terminal.print(f"  {name}: {value:.4g}", highlight=False)
    terminal.print(f"Each image's are in {result.table}", highlight=False)
    emit(result, result.folder, as_json)


@click.command()
@model_dir_option
@checkpoint_option
@click.option("-o", "--output", "folder", type=LOCAL_PATH, required=True, help="New folder to write.")
@click.option(
    "--format",
    "formats",
    type=click.Choice(["safetensors", "bundle", "torchscript", "onnx"]),
    multiple=True,
    help="What to write besides weights, configuration and model card; may be given several times.",
)
@click.option("--license", help="License of the model, such as cc-by-4.0; absent: that of the model it started from.")
@click.option(
    "--evaluation", type=PATH, help="What evaluate wrote, for the card; absent: the newest in the model folder."
)
@json_option
def export(model_dir: Path, folder: Path, as_json: bool, **options: Any) -> None:
    """Write a trained model for others: a folder as on the Hugging Face Hub, a MONAI bundle, TorchScript, ONNX."""
    from gandlf_synth import api

    written = api.export_model(model_dir, folder, **{**options, "license": options["license"] or ""})
    emit(written, "\n".join(map(str, written)), as_json)
    if "\nlicense: unknown\n" in (folder / "README.md").read_text(encoding="utf-8"):
        what = "The card states no license, and without one others may not use the model"
        console().print(f"{what}: export again with --license, such as cc-by-4.0", style="yellow", highlight=False)
