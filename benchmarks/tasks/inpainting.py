"""Holes filled: without learning, by models that were trained for it, and by one that was not."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.data import SHARED
from benchmarks.tasks.cohorts import PATIENTS, discs, write_image, write_slices
from benchmarks.tasks.commands import Row, compare, generate, keep_sheet, train, write_rows
from benchmarks.tasks.fillings import FILLINGS

Array = npt.NDArray[Any]
Result = dict[str, Any]

INPAINTERS: Mapping[str, Mapping[str, object]] = {
    "pix2pix": {"model_name": "pix2pix", "conditioning": ["region"]},
    "pix2pix without discriminator": {"model_name": "pix2pix", "conditioning": ["region"], "adversarial_weight": 0},
    "trained for it": {"model_name": "ddpm", "prediction_type": "edm", "conditioning": ["region"]},
    "repaint": {"model_name": "ddpm", "prediction_type": "edm"},
}
_QUIET = {"save_eval_images_every_n_epochs": -1}
_FLIP = {"flip": {"axis": 0}, "affine": {"degrees": 5, "probability": 0.2}}
_CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
_SIDE, _PER_CLASS = 96, 15


def inpainting(folder: Path, minutes: float, names: Sequence[str] = tuple(INPAINTERS)) -> Result:
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
    results: Result = _without_learning(folder, held_out, truth, 1)
    for name in names:
        place = folder / name.replace(" ", "_")
        config = {"model_config": {**INPAINTERS[name], **_QUIET}, "data_augmentation": _FLIP}
        training = train(place, config, learned, minutes)
        images = generate(training, held_out, place / "made")
        filled = generate(training, lesions, place / "lesions")
        results[name] = training.cost | {
            "holes": compare(truth, images, place / "report", *_range_of_holes(1)),
            "changed voxels outside": _changed(held_out, images) + _changed(lesions, filled),
            "lesions filled": len(lesions),
        }
        keep_sheet(images, folder / f"{name.replace(' ', '_')}.png")
        keep_sheet(filled, folder / f"{name.replace(' ', '_')}_lesions.png")
    return results


def class_and_region(folder: Path, minutes: float) -> Result:
    """Holes in brain images of four classes, filled by one model that is told the class: the right one, or another."""
    learned = [_tumor_row(folder, "train", *place) for place in _tumor_images("train")]
    tests = _tumor_images("test")
    some = [place for kind in _CLASSES for place in [each for each in tests if each[0] == kind][:_PER_CLASS]]
    held_out = _with_holes(folder, [_tumor_row(folder, "test", *place) for place in some])
    truth = write_rows(folder / "truth.csv", held_out)
    results: Result = _without_learning(folder, held_out, truth, 255)
    model = {"model_name": "pix2pix", "conditioning": ["region"], **_QUIET}
    training = train(folder, {"model_config": model, "data_augmentation": _FLIP}, learned, minutes)
    images = generate(training, held_out, folder / "made")
    keep_sheet(images, folder / "class_and_region.png")
    others = [_as_class(row, (int(str(row["Label"])) + 1) % len(_CLASSES)) for row in held_out]
    wrong = generate(training, others, folder / "other_class")
    keep_sheet(wrong, folder / "other_class.png")
    results |= training.cost | {"planes": len(learned), "changed voxels outside": _changed(held_out, images)}
    for name, made in {"its class": images, "another class": wrong}.items():
        results[name] = compare(truth, made, folder / f"report_{name.replace(' ', '_')}", *_range_of_holes(255))
    results["gray levels of 255 between the two inside"] = _difference(held_out, images, wrong)
    return results


def _tumor_images(split: str) -> list[tuple[str, Path]]:
    root = SHARED / "brain_tumor_mri_2d" / split
    return [(kind, file) for kind in _CLASSES for file in sorted((root / kind).glob("*/*.jpg"))]


def _tumor_row(folder: Path, split: str, kind: str, file: Path) -> Row:
    gray = np.asarray(Image.open(file).convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS))
    image = write_image(folder / split / f"{file.stem}.nii.gz", gray[..., None])
    return _as_class({"SubjectID": file.stem, "Channel_0": image}, _CLASSES.index(kind))


def _as_class(row: Row, label: int) -> Row:
    return {**row, "Label": label, "LabelMapping": _CLASSES[label]}


def _with_holes(folder: Path, rows: Sequence[Row]) -> list[Row]:
    rng = np.random.default_rng(0)
    holes = [discs(image.shape, image > 30, rng) for image in (_read(row["Channel_0"]) for row in rows)]
    return [
        {**row, "Region": write_image(folder / "holes" / f"{row['SubjectID']}.nii.gz", hole)}
        for row, hole in zip(rows, holes, strict=True)
    ]


def _range_of_holes(highest: int) -> tuple[str, ...]:
    return ("--data-range", "0", str(highest), "--mask-column", "Region")


def _without_learning(folder: Path, rows: Sequence[Row], truth: Path, highest: int) -> Result:
    return {
        name: compare(truth, _filled(folder, rows, name, fill), folder / f"report_{name}", *_range_of_holes(highest))
        for name, fill in FILLINGS.items()
    }


def _filled(folder: Path, rows: Sequence[Row], name: str, fill: Callable[[Array, Array], Array]) -> Path:
    """Write the images with their holes filled without any learning; return their CSV."""
    filled = []
    for row in rows:
        image, hole = _read(row["Channel_0"]).astype(float), _read(row["Region"]) > 0
        file = folder / name / f"{row['SubjectID']}.nii.gz"
        filled.append({**row, "Channel_0": write_image(file, fill(image, hole).astype(np.float32))})
    return write_rows(folder / f"{name}.csv", filled)


def _lesion_rows(folder: Path, files: Mapping[tuple[str, int], Mapping[str, Path]]) -> list[Row]:
    rows: list[Row] = []
    for who, at in files:
        lesions = _read(files[who, at]["seg"]) > 0
        if who == PATIENTS[2] and lesions.sum() > 20:
            region = write_image(folder / "lesions" / f"{who}_{at}.nii.gz", lesions.astype(np.uint8))
            rows.append({"SubjectID": f"{who}_{at}", "Channel_0": files[who, at]["flair"], "Region": region})
    return rows


def _changed(rows: Sequence[Row], images: Path) -> int:
    """Return how many voxels outside of the regions are not those of the file, to the last bit."""
    pairs = ((_made(images, row), _read(row["Channel_0"]), _read(row["Region"])) for row in rows)
    return sum(int(((new != old) & (region == 0)).sum()) for new, old, region in pairs)


def _difference(rows: Sequence[Row], images: Path, others: Path) -> float:
    """Return the mean over the regions of how far two sets of filled images are apart."""
    pairs = ((_made(images, row), _made(others, row), _read(row["Region"]) > 0) for row in rows)
    return float(np.mean([np.abs(one.astype(float) - other)[hole].mean() for one, other, hole in pairs]))


def _made(images: Path, row: Row) -> Array:
    return _read(next(images.parents[1].rglob(f"{row['SubjectID']}_synthetic.nii.gz")))


def _read(file: object) -> Array:
    values: Array = np.asarray(nibabel.load(file).dataobj)
    return values
