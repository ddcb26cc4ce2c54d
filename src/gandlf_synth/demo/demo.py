"""The whole job of a user: folder → CSV → training → synthesis → a sheet of real beside synthetic images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from gandlf_synth import api
from gandlf_synth.config import load_config
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers import read_image, readable_in_words, readable_suffixes
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.value_range import windowed
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import read_manifest
from gandlf_synth.demo.brain_slices import write_blocks, write_slices
from gandlf_synth.demo.tasks import run_task
from gandlf_synth.display import SheetRow, contact_sheet, save_png, views
from gandlf_synth.errors import ConfigError, Problem, option
from gandlf_synth.files import holds_files, only_writer
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.training.request import TrainingRequest

_PER_CLASS = {2: 6, 3: 2}


@dataclass(frozen=True)
class DemoResult:
    """Where the demo left what it made."""

    sheet: Path
    model_dir: Path
    images: Path


def run_demo(
    output: Path,
    console: Console,
    *,
    data_dir: Path | None = None,
    dimensions: int = 2,
    minutes: float = 4.0,
    task: str | None = None,
) -> DemoResult:
    """Train a class-conditional diffusion model and show what it makes.

    Args:
        output: a new folder.
        console: where progress is shown.
        data_dir: a folder ``<class>/<subject>/<file>`` of the user's own; None: brain slices from nilearn's wheel.
        dimensions: 2 or 3, of the built-in data.
        minutes: wall time of the training.
        task: one of ``tasks.TASKS``, on built-in slices; None: new images of classes.

    Raises:
        ConfigError: ``output`` is there already, or the task has data of its own.
    """
    if task is not None and (data_dir is not None or dimensions != 2):
        what = f"shows {task} on slices of its own"
        raise ConfigError(
            Problem(option("task"), what, fix=f"leave out {option('data_dir')} and {option('dimensions')}")
        )
    with only_writer(output, "output folder"):
        if holds_files(output):
            fix = f"name another with {option('output')}, or delete it"
            raise ConfigError(Problem(f"output folder {output}", "is not empty", fix=fix))
        if task is not None:
            return DemoResult(*run_task(task, output, console, minutes=minutes))
        return _run_all(output, console, data_dir, dimensions, minutes)


def _run_all(output: Path, console: Console, data_dir: Path | None, dimensions: int, minutes: float) -> DemoResult:
    images = data_dir or _write_images(output / "images", dimensions, console)
    csv = output / "data.csv"
    report = api.construct_csv(images, [_ending(images)], "custom", csv)
    console.print(f"[bold]1[/bold] {csv}: {report.rows} images in {len(report.classes)} classes", highlight=False)
    config = output / "config.yaml"
    config.write_text(recipe(dimensions, own_data=data_dir is not None), encoding="utf-8")
    console.print(f"[bold]2[/bold] Training for {minutes:g} minutes with {config}", highlight=False)
    model_dir = output / "model"
    _train(config, csv, model_dir, minutes, console)
    console.print("[bold]3[/bold] Synthesising", highlight=False)
    shown = _PER_CLASS[api.load_model(model_dir).spec.spatial_dims]
    request = api.GenerationRequest(model_dir, output_dir=output, per_class=shown, batch_size=shown * 3)
    generated = api.generate(request, console)
    sheet = output / "real_and_synthetic.png"
    _compare(csv, generated.images, model_dir, sheet)
    console.print(f"[bold]4[/bold] Look at {sheet}: real images beside synthetic ones", highlight=False)
    return DemoResult(sheet, model_dir, generated.folder)


def _write_images(folder: Path, dimensions: int, console: Console) -> Path:
    count = write_slices(folder) if dimensions == 2 else write_blocks(folder)
    console.print(f"[bold]0[/bold] {count} real images from the MNI152 template in {folder}", highlight=False)
    return folder


def _ending(folder: Path) -> str:
    names = [path.name.lower() for path in folder.rglob("*") if path.is_file()]
    counts = {suffix: sum(name.endswith(suffix) for name in names) for suffix in readable_suffixes()}
    if not any(counts.values()):
        raise ConfigError(
            Problem(f"{option('data_dir')} {folder}", "holds no image that can be read", readable_in_words())
        )
    return max(counts, key=lambda suffix: (counts[suffix], len(suffix)))


def _train(config: Path, csv: Path, model_dir: Path, minutes: float, console: Console) -> None:
    api.train(TrainingRequest(config, csv, model_dir, val_ratio=0.1, seconds=minutes * 60), console)


def _compare(csv: Path, generated: Sequence[Path], model_dir: Path, sheet: Path) -> None:
    spec = api.load_model(model_dir).spec
    config = load_config(ModelFolder(model_dir).resolved_config).config
    pipeline = Pipeline(tuple(config.data_preprocessing.of("train") or ()), spec.column_channels, spec.shape)
    manifest = read_manifest(csv)
    rows = []
    for label, name in zip(spec.labels, spec.class_names, strict=True):
        real = [sample for sample in manifest.samples if sample.label == label]
        shown = _PER_CLASS[spec.spatial_dims]
        spread = [real[len(real) * (index + 1) // (shown + 1)] for index in range(shown)]
        synthetic = [path for path in generated if f"_label_{label}." in path.name]
        rows.append(SheetRow(f"{name}: real", _tiles([pipeline(sample) for sample in spread], spec)))
        rows.append(SheetRow(f"{name}: synthetic", _tiles([read_image(path) for path in synthetic], spec)))
    size = " by ".join(str(length) for length in spec.shape)
    save_png(
        contact_sheet(rows, title=f"Real images, as the model sees them ({size}), and synthetic ones", smooth=True),
        sheet,
    )


def _tiles(images: Sequence[Image], spec: DataSpec) -> list[Any]:
    """Return display tiles, real and synthetic alike scaled by their own percentiles."""
    tiles = []
    for image in images:
        low, high = np.percentile(image.array, (0.5, 99.8))
        tiles += views(windowed(image.array, low, high), image.geometry, colour=spec.modality == "histo")
    return tiles


_SIZES = {2: [32, 32], 3: [24, 24, 24]}


def recipe(dimensions: int, *, own_data: bool) -> str:
    """Return the YAML as a user would write it.

    Args:
        dimensions: of the built-in data.
        own_data: leave the size to be chosen from the user's images.
    """
    size = "" if own_data else f"  tensor_shape: {_SIZES[dimensions]}  # small, to learn something in minutes\n"
    return f"""\
# A class-conditional diffusion model. Its network is as large as these minutes allow on this machine; the choice and
# its reasons stand in model/resolved_config.yaml.
model_config:
  model_name: ddpm
  prediction_type: edm           # as good as v_prediction in fewer steps, and a third faster to sample
{size}  architecture: auto
  guidance_scale: 1.5
"""
