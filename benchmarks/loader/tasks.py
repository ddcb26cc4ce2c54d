"""The two data sets of the benchmark, and the same preprocessing written for this project and for TorchIO."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
import torchio
from PIL import Image

from benchmarks.data import SHARED

BATCH = 16
_VOLUMES, _PICTURES = 260, 800


@dataclass(frozen=True)
class Task:
    """Images and what is done to them.

    Args:
        name: of the data set.
        source: ``shared`` for the real images, ``generated`` for random ones of the same sizes.
        files: the images.
        shape: what the network sees.
        steps: ``data_preprocessing`` of the configuration.
    """

    name: str
    source: str
    files: Sequence[Path]
    shape: tuple[int, ...]
    steps: list[Any]

    def write_csv(self, path: Path) -> Path:
        """Write the CSV that ``gandlf-synth`` reads."""
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([["Channel_0"], *([str(each)] for each in self.files)])
        return path

    def configuration(self) -> dict[str, Any]:
        """Return the configuration of a ddpm on this data, of the size that users of 2 cores train."""
        return {
            "model_config": {"model_name": "ddpm", "architecture": {}, "tensor_shape": list(self.shape)},
            "data_preprocessing": {"train": self.steps},
            "batch_size": BATCH,
            "compute": {"accelerator": "cpu"},
        }

    def subject(self, path: Path) -> torchio.Subject:
        """Return the image as TorchIO describes it; pictures are read as grey, as this project reads them."""
        options = {} if len(self.shape) == 3 else {"reader": _read_grey}
        return torchio.Subject(image=torchio.ScalarImage(path, **options))

    def torchio_transform(self) -> torchio.Compose:
        """Return the same steps in TorchIO."""
        if len(self.shape) == 2:
            sized: list[Any] = [torchio.Resize((*self.shape, 1))]
            scaled = torchio.RescaleIntensity((-1, 1), in_min_max=(0, 255))
        else:
            sized = [torchio.ToCanonical(), torchio.Resample(1.5), torchio.CropOrPad(self.shape)]
            scaled = torchio.RescaleIntensity((-1, 1), percentiles=(0.5, 99.5))
        return torchio.Compose([*sized, scaled])


def hippocampus(folder: Path) -> Task:
    """Return hippocampus_mri_3d at 32×32×32."""
    files = sorted((SHARED / "hippocampus_mri_3d").glob("*/image.nii.gz"))
    real = bool(files)
    size = [32, 32, 32]
    steps = [
        "to_canonical",
        {"resample": {"resolution": 1.5}},
        {"crop_or_pad": size},
        {"rescale": {"percentiles": [0.5, 99.5], "out_min_max": [-1, 1]}},
    ]
    files = files or _volumes(folder)
    return Task("hippocampus_mri_3d", "shared" if real else "generated", files, (32, 32, 32), steps)


def brain_tumor(folder: Path) -> Task:
    """Return the training images of brain_tumor_mri_2d at 64×64."""
    files = sorted((SHARED / "brain_tumor_mri_2d").glob("train/*/*/*.jpg"))
    real = bool(files)
    steps = [{"resize": [64, 64]}, {"rescale": {"in_min_max": [0, 255], "out_min_max": [-1, 1]}}]
    return Task("brain_tumor_mri_2d", "shared" if real else "generated", files or _pictures(folder), (64, 64), steps)


def _volumes(folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    paths = [folder / f"volume_{index:04d}.nii.gz" for index in range(_VOLUMES)]
    for path in paths:
        nib.save(nib.Nifti1Image(rng.gamma(2, 100, (35, 50, 36)).astype(np.float32), np.eye(4)), path)
    return paths


def _pictures(folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    paths = [folder / f"picture_{index:04d}.jpg" for index in range(_PICTURES)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (224, 224), dtype=np.uint8)).save(path)
    return paths


def _read_grey(path: Path) -> tuple[torch.Tensor, np.ndarray]:
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("L"), dtype=np.float32)
    return torch.from_numpy(pixels.T.copy())[None, ..., None], np.eye(4)
