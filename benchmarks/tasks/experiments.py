"""One function per task: train, make images of what was not trained on, compare."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

from benchmarks.tasks.cohorts import PATIENTS, SEQUENCES, write_means, write_slices, write_volumes
from benchmarks.tasks.commands import Row, compare, generate, keep_sheet, train, write_rows
from benchmarks.tasks.inpainting import INPAINTERS, class_and_region, inpainting
from benchmarks.tasks.unpaired import UNPAIRED, unpaired
from benchmarks.tasks.usefulness import USEFULNESS, usefulness
from gandlf_synth.metrics.paired.base import build_paired_metric

Array = npt.NDArray[Any]
Result = dict[str, Any]

_RANGE = ("--data-range", "0", "1", "--mask-column", "none", "--error-maps", "none")
_FLIP = {"flip": {"axis": 0}, "affine": {"degrees": 5}}
_WINDOW_STEP, _CROP = 16, 8
"""Voxels between the windows of 32, and how many are cut off so that windows begin elsewhere."""
_QUIET = {"save_eval_images_every_n_epochs": -1}


def _pix2pix(**more: object) -> dict[str, object]:
    return {
        "model_config": {"model_name": "pix2pix", "conditioning": ["image"], **_QUIET, **more},
        "data_augmentation": _FLIP,
    }


def translation(folder: Path, minutes: float, adversarial: bool = True) -> Result:
    """T1 to FLAIR in slices, each patient left out once."""
    files = write_slices(folder / "slices")
    results: Result = {}
    for patient in PATIENTS:
        rows = [_pair(who, height, files[who, height]) for who, height in files]
        held_out = [row for row in rows if row["patient"] == patient]
        place = folder / patient
        config = _pix2pix() if adversarial else _pix2pix(adversarial_weight=0)
        training = train(place, config, [row for row in rows if row["patient"] != patient], minutes)
        truth = write_rows(place / "truth.csv", [{**row, "Source_0": ""} for row in held_out])
        images = generate(training, held_out, place / "made")
        means = write_means(place, [(height, files[who, height]["flair"]) for who, height in files if who != patient])
        results[patient] = training.cost | {
            "model": compare(truth, images, place / "report", *_RANGE),
            "source itself": compare(truth, _renamed(place, held_out, "Source_0"), place / "identity", *_RANGE),
            "mean of the training images": compare(
                truth,
                write_rows(
                    place / "means.csv", [{**row, "Channel_0": means[int(str(row["height"]))]} for row in held_out]
                ),
                place / "mean",
                *_RANGE,
            ),
        }
        keep_sheet(images, folder / f"{patient}.png")
    return results


def regression(folder: Path, minutes: float) -> Result:
    """The same without a discriminator."""
    return translation(folder, minutes, adversarial=False)


def missing_modality(folder: Path, minutes: float) -> Result:
    """Each of four sequences from the other three, and from each of them alone, by one model per target."""
    files = write_slices(folder / "slices")
    results: Result = {}
    for target in SEQUENCES:
        others = [name for name in SEQUENCES if name != target]
        place = folder / target
        config = _pix2pix(conditioning=[{"image": {"missing": 0.5}}], adversarial_weight=0)
        rows = [_many(who, height, files[who, height], target, others) for who, height in files]
        training = train(place, config, [row for row in rows if row["patient"] != PATIENTS[2]], minutes)
        held_out = [row for row in rows if row["patient"] == PATIENTS[2]]
        truth = write_rows(
            place / "truth.csv", [{key: row[key] for key in ("SubjectID", "Channel_0")} for row in held_out]
        )
        results[target] = training.cost
        for name, given in {"all": others, **{f"{other} alone": [other] for other in others}}.items():
            some = [_hidden(row, others, given) for row in held_out]
            images = generate(training, some, place / name.replace(" ", "_"))
            results[target][name] = compare(truth, images, place / f"report_{given[0]}_{len(given)}", *_RANGE)
        keep_sheet(images, folder / f"{target}.png")
    return results


def patches(folder: Path, minutes: float) -> Result:
    """T1 to FLAIR of whole volumes by a model of patches: errors, and whether the borders of windows are seen."""
    volumes = write_volumes(folder / "volumes")
    rows = [_pair(who, 0, volumes[who]) for who in PATIENTS]
    config = _pix2pix(adversarial_weight=0, tensor_shape=[32, 32, 32]) | {"patch_sampler": "uniform"}
    training = train(folder, config, rows[:2], minutes)
    source, truth = (nibabel.load(volumes[PATIENTS[2]][name]) for name in ("t1", "flair"))
    elsewhere = folder / "volumes" / "cropped.nii.gz"
    nibabel.save(source.slicer[(slice(_CROP, None),) * 3], elsewhere)
    held_out = [rows[2], {"SubjectID": "cropped", "Channel_0": "", "Source_0": elsewhere}]
    images = generate(training, held_out, folder / "made")
    keep_sheet(images, folder / "patches.png")
    made, cropped = (
        nibabel.load(next(images.parents[1].rglob(f"{row['SubjectID']}_synthetic.nii.gz"))) for row in held_out
    )
    return training.cost | {
        "model": _compare_volumes(truth, made),
        "source itself": _compare_volumes(truth, source),
        "squared steps at borders of windows by those of windows elsewhere": _seams(
            made.get_fdata()[(slice(_CROP, None),) * 3],
            cropped.get_fdata(),
            source.get_fdata()[(slice(_CROP, None),) * 3] > 0,
        ),
        "affine equal to the last bit": bool(np.array_equal(made.affine, source.affine)),
    }


def _compare_volumes(truth: nibabel.Nifti1Image, made: nibabel.Nifti1Image) -> dict[str, float]:
    one, other = truth.get_fdata()[None], made.get_fdata()[None]
    metrics = {name: {"data_range": (0.0, 1.0)} for name in ("peak_signal_noise_ratio", "structural_similarity_index")}
    return {
        name: build_paired_metric(name, given)(one, other, None)
        for name, given in {"mean_absolute_error": {}, **metrics}.items()
    }


def _seams(whole: Array, cropped: Array, brain: Array) -> list[float]:
    """Return, of each axis, how much larger steps between neighbors are where windows begin and end.

    The same volume is made twice, with windows that begin ``_CROP`` voxels apart: where they begin in one image they do
    not in the other, whose steps there tell what anatomy does.
    """
    return [
        0.5 * (_steps(whole, cropped, brain, axis, _WINDOW_STEP - _CROP) + _steps(cropped, whole, brain, axis, 0))
        for axis in range(brain.ndim)
    ]


def _steps(bordered: Array, other: Array, brain: Array, axis: int, phase: int) -> float:
    """Return the squared steps between planes of a phase in one image, over those in another."""
    planes = np.arange(phase or _WINDOW_STEP, brain.shape[axis], _WINDOW_STEP)
    inside = np.take(brain, planes, axis) & np.take(brain, planes - 1, axis)
    one, two = (
        ((np.take(image, planes, axis) - np.take(image, planes - 1, axis)) ** 2)[inside].mean()
        for image in (bordered, other)
    )
    return float(one / two)


def _pair(patient: str, height: int, files: Mapping[str, Path]) -> Row:
    return {
        "SubjectID": f"{patient}_{height}",
        "patient": patient,
        "height": height,
        "Channel_0": files["flair"],
        "Source_0": files["t1"],
    }


def _many(patient: str, height: int, files: Mapping[str, Path], target: str, others: list[str]) -> Row:
    sources = {f"Source_{k}": files[name] for k, name in enumerate(others)}
    return {"SubjectID": f"{patient}_{height}", "patient": patient, "Channel_0": files[target], **sources}


def _hidden(row: Row, others: list[str], given: list[str]) -> Row:
    hidden = {f"Source_{k}" for k, name in enumerate(others) if name not in given}
    return {key: "" if key in hidden else value for key, value in row.items()}


def _renamed(folder: Path, rows: list[Row], column: str) -> Path:
    return write_rows(
        folder / f"{column}.csv", [{"SubjectID": row["SubjectID"], "Channel_0": row[column]} for row in rows]
    )


EXPERIMENTS: dict[str, Callable[[Path, float], Result]] = {
    "translation": translation,
    "regression": regression,
    "missing_modality": missing_modality,
    "patches": patches,
    "inpainting": inpainting,
    **{f"inpainting: {name}": partial(inpainting, names=[name]) for name in INPAINTERS},
    "class_and_region": class_and_region,
    **{name: partial(unpaired, name=name) for name in UNPAIRED},
    **{name: partial(usefulness, name=name) for name in USEFULNESS},
}
"""By the name on the command line."""
