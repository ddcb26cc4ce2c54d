"""One function per task: train, make images of what was not trained on, compare."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

from benchmarks.tasks.cohorts import (
    PATIENTS,
    SEQUENCES,
    discs,
    template_contrasts,
    write_image,
    write_means,
    write_slices,
    write_volumes,
)
from benchmarks.tasks.commands import Row, compare, generate, train, write_rows
from benchmarks.tasks.fillings import FILLINGS
from benchmarks.tasks.usefulness import usefulness
from gandlf_synth.metrics.paired.base import build_paired_metric

Array = npt.NDArray[Any]
Result = dict[str, Any]

_RANGE = ("--data-range", "0", "1", "--mask-column", "none", "--error-maps", "none")
_FLIP = {"flip": {"axis": 0}, "affine": {"degrees": 5}}
_RANGE_OF_HOLES = ("--data-range", "0", "1", "--mask-column", "Region")
_INPAINTERS: dict[str, dict[str, object]] = {
    "pix2pix": {"model_name": "pix2pix", "conditioning": ["region"]},
    "trained for it": {"model_name": "ddpm", "prediction_type": "edm", "conditioning": ["region"]},
    "repaint": {"model_name": "ddpm", "prediction_type": "edm"},
}
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
        _keep_sheet(images, folder / f"{patient}.png")
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
        _keep_sheet(images, folder / f"{target}.png")
    return results


def patches(folder: Path, minutes: float) -> Result:
    """T1 to FLAIR of whole volumes by a model of patches: errors, and whether the borders of windows are seen."""
    volumes = write_volumes(folder / "volumes")
    rows = [_pair(who, 0, volumes[who]) for who in PATIENTS]
    config = _pix2pix(adversarial_weight=0, tensor_shape=[32, 32, 32]) | {"patch_sampler": "uniform"}
    training = train(folder, config, rows[:2], minutes)
    _keep_sheet(generate(training, rows[2:], folder / "made"), folder / "patches.png")
    made = nibabel.load(next((folder / "made").rglob("*_synthetic.nii.gz")))
    source, truth = (nibabel.load(volumes[PATIENTS[2]][name]) for name in ("t1", "flair"))
    brain = source.get_fdata() > 0
    return training.cost | {
        "model": _compare_volumes(truth, made),
        "source itself": _compare_volumes(truth, source),
        "steps between neighbors by those of the true image": _seams(made.get_fdata(), truth.get_fdata(), brain, 16),
        "affine equal to the last bit": bool(np.array_equal(made.affine, source.affine)),
    }


def _compare_volumes(truth: nibabel.Nifti1Image, made: nibabel.Nifti1Image) -> dict[str, float]:
    one, other = truth.get_fdata()[None], made.get_fdata()[None]
    metrics = {name: {"data_range": (0.0, 1.0)} for name in ("peak_signal_noise_ratio", "structural_similarity_index")}
    return {
        name: build_paired_metric(name, given)(one, other, None)
        for name, given in {"mean_absolute_error": {}, **metrics}.items()
    }


def _seams(made: Array, truth: Array, brain: Array, step: int) -> dict[str, list[float]]:
    """Return how much larger steps between neighbours are in the made image than in the true one, planes by planes.

    Each plane between two voxels belongs to one of ``step`` phases; windows begin and end at phase 0. The mean squared
    step of a phase by that of all others is compared with the same in the true image, because anatomy has its places.
    """
    ratios = np.array([[_phase(image, brain, step, axis) for image in (made, truth)] for axis in range(made.ndim)])
    relative = ratios[:, 0] / ratios[:, 1]
    others = relative[:, 1:]
    return {"at borders": relative[:, 0].tolist(), "elsewhere": [float(others.min()), float(others.max())]}


def _phase(image: Array, brain: Array, step: int, axis: int) -> list[float]:
    squares = np.diff(image, axis=axis) ** 2
    inside = np.take(brain, range(brain.shape[axis] - 1), axis) & np.take(brain, range(1, brain.shape[axis]), axis)
    phases = np.arange(1, image.shape[axis]) % step
    means = []
    for phase in range(step):
        at, off = (
            np.compress(which, squares, axis)[np.compress(which, inside, axis)].mean()
            for which in (phases == phase, phases != phase)
        )
        means.append(float(at / off))
    return means


def inpainting(folder: Path, minutes: float) -> Result:
    """Holes in the FLAIR of a patient not trained on: without learning, by models trained for it, by RePaint."""
    files = write_slices(folder / "slices")
    rng = np.random.default_rng(0)
    learned = [
        {"SubjectID": f"{who}_{at}", "Channel_0": files[who, at]["flair"]} for who, at in files if who != PATIENTS[2]
    ]
    held_out: list[Row] = []
    for who, at in files:
        if who == PATIENTS[2] and 33 <= at <= 61:
            flair = nibabel.load(files[who, at]["flair"]).get_fdata()
            hole = discs(flair.shape, flair > 0.05, rng)
            region = write_image(folder / "holes" / f"{who}_{at}.nii.gz", hole)
            held_out.append({"SubjectID": f"{who}_{at}", "Channel_0": files[who, at]["flair"], "Region": region})
    truth = write_rows(folder / "truth.csv", held_out)
    lesions = _lesion_rows(folder, files)
    results: Result = {
        name: compare(truth, _filled(folder, held_out, name, fill), folder / f"report_{name}", *_RANGE_OF_HOLES)
        for name, fill in FILLINGS.items()
    }
    for name, model in _INPAINTERS.items():
        place = folder / name.replace(" ", "_")
        config = {"model_config": {**model, **_QUIET}, "data_augmentation": _FLIP}
        training = train(place, config, learned, minutes)
        images = generate(training, held_out, place / "made")
        results[name] = training.cost | {
            "holes": compare(truth, images, place / "report", *_RANGE_OF_HOLES),
            "changed voxels outside": _changed(held_out, place / "made")
            + _changed(lesions, generate(training, lesions, place / "lesions").parents[1]),
            "lesions filled": len(lesions),
        }
        _keep_sheet(place / "made" / "x" / "images.csv", folder / f"{name.replace(' ', '_')}.png")
        _keep_sheet(place / "lesions" / "x" / "images.csv", folder / f"{name.replace(' ', '_')}_lesions.png")
    return results


def _filled(folder: Path, rows: list[Row], name: str, fill: Callable[[Array, Array], Array]) -> Path:
    """Write the images with their holes filled without any learning; return their CSV."""
    filled = []
    for row in rows:
        image, hole = (nibabel.load(row[key]).get_fdata() for key in ("Channel_0", "Region"))
        file = folder / name / f"{row['SubjectID']}.nii.gz"
        filled.append({**row, "Channel_0": write_image(file, fill(image, hole > 0).astype(np.float32))})
    return write_rows(folder / f"{name}.csv", filled)


def _lesion_rows(folder: Path, files: Mapping[tuple[str, int], Mapping[str, Path]]) -> list[Row]:
    rows: list[Row] = []
    for who, at in files:
        lesions = np.asarray(nibabel.load(files[who, at]["seg"]).dataobj) > 0
        if who == PATIENTS[2] and lesions.sum() > 20:
            region = write_image(folder / "lesions" / f"{who}_{at}.nii.gz", lesions.astype(np.uint8))
            rows.append({"SubjectID": f"{who}_{at}", "Channel_0": files[who, at]["flair"], "Region": region})
    return rows


def _changed(rows: list[Row], made: Path) -> int:
    """Return how many voxels outside of the regions are not those of the file, to the last bit."""
    changed = 0
    for row in rows:
        new, old, region = (
            np.asarray(nibabel.load(file).dataobj)
            for file in (next(made.rglob(f"{row['SubjectID']}_synthetic.nii.gz")), row["Channel_0"], row["Region"])
        )
        changed += int(((new != old) & (region == 0)).sum())
    return changed


def unpaired(folder: Path, minutes: float) -> Result:
    """Two contrasts of the MNI template whose slices never meet: even ones of one, odd ones of the other."""
    first, second = template_contrasts()
    planes = [z for z in range(20, 75) if first[..., z].any()]
    rows: list[Row] = []
    held_out: list[Row] = []
    for z in planes:
        one, two = (
            write_image(folder / "slices" / f"{name}_{z}.nii.gz", values[..., z : z + 1])
            for name, values in (("t1", first), ("other", second))
        )
        if z % 5 == 0:
            held_out.append({"SubjectID": f"z{z}", "Channel_0": two, "Source_0": one})
        elif z % 2:
            rows.append({"SubjectID": f"z{z}", "Channel_0": "", "Source_0": one})
        else:
            rows.append({"SubjectID": f"z{z}", "Channel_0": two, "Source_0": ""})
    model = {"model_name": "cyclegan", "conditioning": ["image"], **_QUIET}
    training = train(folder, {"model_config": model, "data_augmentation": _FLIP}, rows, minutes)
    truth = write_rows(folder / "truth.csv", [{**row, "Source_0": ""} for row in held_out])
    images = generate(training, held_out, folder / "made")
    _keep_sheet(images, folder / "unpaired.png")
    return training.cost | {
        "model": compare(truth, images, folder / "report", *_RANGE),
        "source itself": compare(truth, _renamed(folder, held_out, "Source_0"), folder / "identity", *_RANGE),
    }


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


def _keep_sheet(images: Path, file: Path) -> None:
    sheets = sorted(images.parents[1].rglob("contact_sheet*.png"))
    if sheets:
        shutil.copyfile(sheets[0], file)


EXPERIMENTS: dict[str, Callable[[Path, float], Result]] = {
    "translation": translation,
    "regression": regression,
    "missing_modality": missing_modality,
    "patches": patches,
    "inpainting": inpainting,
    "unpaired": unpaired,
    "usefulness": usefulness,
}
"""By the name on the command line."""
