"""The data of the benchmark: real images where they are found, else slices of a template that a package ships."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.data import SHARED
from gandlf_synth.config import Document, validate
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import Sample


@dataclass(frozen=True)
class Task:
    """Images to learn and images to be judged by.

    Args:
        name: of the data set.
        source: ``shared`` for the named data set, ``package`` for its stand-in.
        train, test: files.
        labels: the class of each training file; None without classes.
        shape: what the networks see; pictures are padded to it, or made smaller where they are larger.
    """

    name: str
    source: str
    train: Sequence[Path]
    test: Sequence[Path]
    labels: Sequence[int] | None
    shape: tuple[int, ...]

    def write_csv(self, path: Path) -> Path:
        """Write the CSV of the training images that ``gandlf-synth`` reads."""
        header = ["SubjectID", "Channel_0", *(["Label"] if self.labels else [])]
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            for index, image in enumerate(self.train):
                writer.writerow([f"s{index:05d}", image, *([self.labels[index]] if self.labels else [])])
        return path

    @property
    def steps(self) -> list[object]:
        """The preprocessing, for ``gandlf-synth``."""
        if len(self.shape) == 3:
            return [
                "to_canonical",
                {"resample": {"resolution": 1.5}},
                {"crop_or_pad": list(self.shape)},
                {"rescale": {"percentiles": [0.5, 99.5], "out_min_max": [-1, 1]}},
            ]
        smaller = max(self.size_of(self.train[0])) > max(self.shape)
        sized = {"resize" if smaller else "crop_or_pad": list(self.shape)}
        return [sized, {"rescale": {"in_min_max": [0, 255], "out_min_max": [-1, 1]}}]

    @staticmethod
    def size_of(path: Path) -> tuple[int, int]:
        """Return columns and rows of a picture."""
        with Image.open(path) as picture:
            return picture.size

    def tensors(self, files: Sequence[Path]) -> Tensor:
        """Return the images of ``files`` after the same preprocessing, ``(n, 1, *shape)`` in [-1, 1]."""
        written = {"model_config": {"model_name": "ddpm"}, "num_epochs": 1, "data_preprocessing": {"train": self.steps}}
        steps = validate(Document("benchmark", written)).config.data_preprocessing.train
        pipeline = Pipeline(steps, (1,), self.shape)
        arrays = [pipeline(Sample(1, "s", (path,))).array for path in files]
        return torch.from_numpy(np.stack(arrays)).float().clamp(-1, 1)


def pneumonia(folder: Path) -> Task:
    """Return pneumonia_xray_2d, 28×28 padded to 32×32, unlabelled."""
    root = SHARED / "pneumonia_xray_2d"
    train, test = (sorted((root / split).glob("*/*/*.png")) for split in ("train", "test"))
    if not train:
        return _slices(folder, "pneumonia_xray_2d")
    return Task("pneumonia_xray_2d", "shared", train, test, None, (32, 32))


def brain_tumor(folder: Path) -> Task:
    """Return brain_tumor_mri_2d at 32×32 with its classes."""
    root = SHARED / "brain_tumor_mri_2d"
    train, test = (sorted((root / split).glob("*/*/*.jpg")) for split in ("train", "test"))
    if not train:
        return _slices(folder, "brain_tumor_mri_2d")
    names = sorted({path.parents[1].name for path in train})
    return Task("brain_tumor_mri_2d", "shared", train, test, [names.index(p.parents[1].name) for p in train], (32, 32))


def hippocampus(folder: Path) -> Task:
    """Return hippocampus_mri_3d at 32×32×32; every fifth subject is held out."""
    files = sorted((SHARED / "hippocampus_mri_3d").glob("*/image.nii.gz"))
    if not files:
        return _slices(folder, "hippocampus_mri_3d")
    test = files[::5]
    return Task("hippocampus_mri_3d", "shared", [each for each in files if each not in test], test, None, (32, 32, 32))


TASKS = {"pneumonia": pneumonia, "brain_tumor": brain_tumor, "hippocampus": hippocampus}


def _slices(folder: Path, name: str) -> Task:
    """Return slices of the MNI152 template in three planes, which are the classes; every fifth is held out."""
    import nilearn

    file = next((Path(nilearn.__file__).parent / "datasets" / "data").glob("mni_icbm152_t1*.nii.gz"))
    volume = np.asarray(nib.load(file).dataobj, dtype=np.float32)
    volume = (255 * (volume / np.percentile(volume, 99.5)).clip(0, 1)).astype(np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    files, labels = [], []
    for axis in range(3):
        for index in range(volume.shape[axis] // 5, 4 * volume.shape[axis] // 5):
            path = folder / f"{axis}_{index:03d}.png"
            Image.fromarray(volume.take(index, axis=axis)).resize((32, 32)).save(path)
            files.append(path)
            labels.append(axis)
    test = files[::5]
    train = [each for each in files if each not in test]
    return Task(name, "package", train, test, [labels[files.index(each)] for each in train], (32, 32))
