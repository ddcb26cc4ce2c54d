"""The data of the benchmark: real images where they are found, and a set of drawn ones for everybody."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.data import SHARED
from gandlf_synth.config import Document, validate
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import Sample


@dataclass(frozen=True)
class ImageSet:
    """Images to learn and images to be judged by, ``(n, 1, *shape)`` in [-1, 1].

    Args:
        name: of the data set.
        train, test: the images.
        labels: the class of each training image; None without classes.
    """

    name: str
    train: Tensor
    test: Tensor
    labels: Tensor | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis."""
        return tuple(self.train.shape[2:])

    @property
    def spec(self) -> DataSpec:
        """The facts that models are made for."""
        classes = 0 if self.labels is None else int(self.labels.max()) + 1
        return DataSpec(
            spatial_dims=2 if len(self.shape) == 2 else 3,
            num_channels=1,
            shape=self.shape,
            affine=tuple(tuple(row) for row in np.eye(4).tolist()),
            physical=False,
            modality="rad",
            paradigm="custom" if classes else "unlabeled",
            labels=tuple(range(classes)),
            class_names=tuple(str(number) for number in range(classes)),
            low=(0.0,),
            high=(255.0,),
            range_scale=(1.0,),
            range_offset=(0.0,),
            dtype="uint8",
            column_channels=(1,),
            column_names=("image",),
        )


def load_image_set(name: str, cache: Path) -> ImageSet:
    """Return a data set by name; what was prepared once is read from ``cache``."""
    file = cache / f"{name}.pt"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        made = _MAKERS[name]()
        partial = file.with_suffix(f".{id(made)}")
        torch.save({"train": made.train, "test": made.test, "labels": made.labels}, partial)
        partial.rename(file)
    return ImageSet(name, **torch.load(file, weights_only=True))


def _pneumonia() -> ImageSet:
    """Return chest radiographs, 28×28 padded to 32×32, unlabelled."""
    root = SHARED / "pneumonia_xray_2d"
    train, test = (sorted((root / split).glob("*/*/*.png")) for split in ("train", "test"))
    return ImageSet(
        "pneumonia", _pictures(train, {"crop_or_pad": [32, 32]}), _pictures(test, {"crop_or_pad": [32, 32]}), None
    )


def _brain_tumor() -> ImageSet:
    """Return slices of brains with a class of tumour, at 64×64."""
    root = SHARED / "brain_tumor_mri_2d"
    train, test = (sorted((root / split).glob("*/*/*.jpg")) for split in ("train", "test"))
    names = sorted({path.parents[1].name for path in train})
    labels = torch.tensor([names.index(path.parents[1].name) for path in train])
    step = {"resize": [64, 64]}
    return ImageSet("brain_tumor", _pictures(train, step), _pictures(test, step), labels)


def _hippocampus() -> ImageSet:
    """Return crops around the hippocampus at 32×32×32; every fifth subject is held out."""
    files = sorted((SHARED / "hippocampus_mri_3d").glob("*/image.nii.gz"))
    test = files[::5]
    steps: list[object] = [
        "to_canonical",
        {"resample": {"resolution": 1.5}},
        {"crop_or_pad": [32, 32, 32]},
        {"rescale": {"percentiles": [0.5, 99.5], "out_min_max": [-1, 1]}},
    ]
    train = [file for file in files if file not in test]
    return ImageSet("hippocampus", _prepared(train, steps, (32, 32, 32)), _prepared(test, steps, (32, 32, 32)), None)


def _phantoms() -> ImageSet:
    """Return drawn heads of 32×32: an outline, two ventricles, in half of them a lesion, which is the class."""
    rng = np.random.default_rng(0)
    labels = np.arange(1000) % 2
    images = torch.from_numpy(np.stack([_phantom(rng, bool(label)) for label in labels])).float()[:, None]
    return ImageSet("phantoms", images[:800], images[800:], torch.from_numpy(labels[:800]))


def _phantom(rng: np.random.Generator, lesion: bool) -> np.ndarray:
    y, x = np.mgrid[-1:1:32j, -1:1:32j]

    def ellipse(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
        distance = np.hypot((x - cx) / rx, (y - cy) / ry)
        return 1 / (1 + np.exp(12 * (distance - 1)))

    width, height, tilt = rng.uniform(0.6, 0.75), rng.uniform(0.75, 0.9), rng.uniform(-0.1, 0.1)
    image = ellipse(tilt, 0, width, height) * rng.uniform(0.5, 0.7)
    size = rng.uniform(0.1, 0.2)
    for side in (-1, 1):
        image -= 0.35 * ellipse(side * 0.18 + tilt, rng.uniform(-0.1, 0.1), size / 1.5, 1.8 * size)
    if lesion:
        angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0.25, 0.45)
        image += 0.4 * ellipse(radius * np.cos(angle), radius * np.sin(angle), *rng.uniform(0.08, 0.18, 2))
    return (2 * image - 1 + rng.normal(0, 0.03, image.shape)).clip(-1, 1)


_MAKERS: dict[str, Callable[[], ImageSet]] = {
    "pneumonia": _pneumonia,
    "brain_tumor": _brain_tumor,
    "hippocampus": _hippocampus,
    "phantoms": _phantoms,
}
IMAGE_SETS = tuple(_MAKERS)


def _pictures(files: Sequence[Path], step: dict[str, list[int]]) -> Tensor:
    (size,) = step.values()
    with Image.open(files[0]):
        pass  # a missing data set is said here
    return _prepared(files, [step, {"rescale": {"in_min_max": [0, 255], "out_min_max": [-1, 1]}}], tuple(size))


def _prepared(files: Sequence[Path], steps: list[object], shape: tuple[int, ...]) -> Tensor:
    written = {"model_config": {"model_name": "ddpm"}, "num_epochs": 1, "data_preprocessing": {"train": steps}}
    pipeline = Pipeline(validate(Document("benchmark", written)).config.data_preprocessing.train, (1,), shape)
    arrays = [pipeline(Sample(1, "s", (path,))).array for path in files]
    return torch.from_numpy(np.stack(arrays)).float().clamp(-1, 1)
