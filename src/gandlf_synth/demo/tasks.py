"""The demo of images that are made from others: holes filled, coarse slices refined, brains for given tissue maps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from gandlf_synth import api
from gandlf_synth.data.table.folder_samples import Endings
from gandlf_synth.demo.brain_slices import Slice, slices_with_tissue
from gandlf_synth.files import write_csv
from gandlf_synth.model_folder import InferenceFolder
from gandlf_synth.training.request import TrainingRequest

_EVERY = 8
"""One slice in so many is kept from training, to be made."""
_SIZE, _FACTOR = 64, 4
"""Pixels along each axis of what the network sees, and how many of them become one in the coarse slices."""


@dataclass(frozen=True)
class DemoTask:
    """What a demo shows.

    Args:
        title: for people.
        family: the family that learns it.
        conditioning: as in the YAML.
        write_input: writes what a slice is made from into a folder, and returns the cells of its row by column.
    """

    title: str
    family: str
    conditioning: str
    write_input: Callable[[Slice, Path], Mapping[str, Path]]


def run_task(name: str, output: Path, console: Console, *, minutes: float) -> tuple[Path, Path, Path]:
    """Train a model for a task on slices of one brain and use it on others; return sheet, model and images.

    Args:
        name: one of ``TASKS``.
        output: a new folder.
        console: where progress is shown.
        minutes: wall time of the training.
    """
    task = TASKS[name]
    slices = slices_with_tissue()
    known = [each for place, each in enumerate(slices) if place % _EVERY != _EVERY // 2]
    others = [each for place, each in enumerate(slices) if place % _EVERY == _EVERY // 2]
    images = output / "images"
    for each in known:
        each.write(images / each.name)
    console.print(f"[bold]0[/bold] {len(known)} real slices of the MNI152 template in {images}", highlight=False)
    csv = output / "data.csv"
    report = api.construct_csv(images, Endings(("t1.nii.gz",), mask="tissue.nii.gz"), "unlabeled", csv)
    console.print(f"[bold]1[/bold] {csv}: {report.rows} images with their masks", highlight=False)
    config, model = output / "config.yaml", output / "model"
    config.write_text(_recipe(task), encoding="utf-8")
    console.print(f"[bold]2[/bold] Training for {minutes:g} minutes with {config}: {task.title}", highlight=False)
    api.train(TrainingRequest(config, csv, model, val_ratio=0.1, seconds=minutes * 60), console)
    inputs = output / "inputs.csv"
    _write_inputs(inputs, task, others, output / "inputs")
    console.print(f"[bold]3[/bold] Making {len(others)} slices that were not trained on, of {inputs}", highlight=False)
    generated = api.generate(api.GenerationRequest(model, output_dir=output, csv=inputs, batch_size=8), console)
    sheet = InferenceFolder(generated.folder).contact_sheet
    console.print(f"[bold]4[/bold] Look at {sheet}: {task.title}", highlight=False)
    return sheet, model, generated.folder


def _recipe(task: DemoTask) -> str:
    return f"""\
# {task.title[0].upper()}{task.title[1:]}. The network is as large as these minutes allow on this machine.
model_config:
  model_name: {task.family}
  conditioning: [{task.conditioning}]
  tensor_shape: [{_SIZE}, {_SIZE}]  # small, to learn something in minutes
"""


def _write_inputs(csv: Path, task: DemoTask, slices: Sequence[Slice], folder: Path) -> None:
    rows = [(each.name, task.write_input(each, folder / each.name)) for each in slices]
    columns = list(rows[0][1])
    lines = [[name, *(cells[column].relative_to(csv.parent) for column in columns)] for name, cells in rows]
    write_csv(csv, [["SubjectID", *columns], *lines])


def _with_hole(each: Slice, folder: Path) -> Mapping[str, Path]:
    """Write a slice and a disc in it that is to be made anew."""
    voxels = each.t1.copy()
    axes = np.meshgrid(*(np.arange(size) for size in voxels.shape), indexing="ij")
    radius = min(voxels.shape) / 6
    centre = [size * share for size, share in zip(voxels.shape, (0.4, 0.55), strict=True)]
    disc = sum((axis - middle) ** 2 for axis, middle in zip(axes, centre, strict=True)) < radius**2
    return {
        "Channel_0": each.write_map(folder / "t1.nii.gz", voxels),
        "Region": each.write_map(folder / "hole.nii.gz", disc.astype(np.uint8)),
    }


def _coarse(each: Slice, folder: Path) -> Mapping[str, Path]:
    """Write a slice of a quarter of the resolution that the network sees."""
    step = _FACTOR * max(each.t1.shape) // _SIZE
    return {"Channel_0": each.write_map(folder / "coarse.nii.gz", _block_means(each.t1, step), step=step)}


def _block_means(array: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    rows, columns = (size // step for size in array.shape)
    blocks = array[: rows * step, : columns * step].reshape(rows, step, columns, step)
    means: NDArray[np.uint8] = blocks.mean(axis=(1, 3)).round().astype(np.uint8)
    return means


def _tissue(each: Slice, folder: Path) -> Mapping[str, Path]:
    return {"Mask": each.write_map(folder / "tissue.nii.gz", each.tissue)}


TASKS: Mapping[str, DemoTask] = {
    "inpainting": DemoTask("a disc of each slice made anew", "pix2pix", "region", _with_hole),
    "super-resolution": DemoTask("coarse slices refined", "pix2pix", f"low_resolution: {{factor: {_FACTOR}}}", _coarse),
    "mask": DemoTask("slices made for maps of grey and white matter", "flow_matching", "mask", _tissue),
}
