"""Made-up data and objects, small enough that a test runs in a moment: images, tables, configurations, specifications."""

import csv
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from shutil import copyfile
from typing import Any, Protocol

import nibabel as nib
import numpy as np
from PIL import Image as Picture
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from scipy.ndimage import gaussian_filter

from gandlf_synth import registry
from gandlf_synth.config import Step
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.inspection.units import Units
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.processing.pipeline import make_transform
from gandlf_synth.evaluation.results import Evaluation, Verdict
from gandlf_synth.geometry import Geometry
from gandlf_synth.model_folder import ModelFolder

Array = np.ndarray[Any, Any]

TINY = """\
model_config:
  model_name: ddpm
  tensor_shape: {shape}
  architecture: {{num_channels: [8, 8], attention_levels: [false, true], num_res_blocks: 1,
                 norm_num_groups: 4, num_head_channels: 4, num_train_timesteps: 10}}
  num_inference_steps: 2
num_epochs: 2
batch_size: 4
compute: {{accelerator: cpu, precision: 32}}
"""
"""A configuration that trains in a blink; ``{shape}`` is the tensor shape."""

PATIENT_NAME = "Doe^Jane"
DICOM_DIRECTIONS = np.array([0.96, 0.28, 0, 0, 0, -1.0])
HEAD_SIZE = 32


class Cli(Protocol):
    """The fixture ``cli``: run a command and get its exit code and what it wrote to the two outputs."""

    def __call__(self, *words: object) -> tuple[int, str, str]: ...


class TinyConfig(Protocol):
    """The fixture ``tiny_config``: write ``TINY`` with a shape and further lines."""

    def __call__(self, shape: list[int], extra: str = "") -> Path: ...


class TableOf(Protocol):
    """The fixture ``table_of``: make the CSV of a folder of images."""

    def __call__(self, images: Path, endings: str = ".png", paradigm: str = "unlabeled") -> Path: ...


# Voxels


def blob(shape: tuple[int, ...], seed: int, brightness: float = 1000) -> Array:
    """Return a bright ball on black, somewhere near the middle, float32."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    centre = rng.uniform(-0.2, 0.2, len(shape))
    distance = sum((axis - place) ** 2 for axis, place in zip(axes, centre, strict=True))
    return np.asarray(brightness * np.exp(-4 * distance), np.float32)


def blob_picture(size: int, seed: int) -> Array:
    """Return a blob as 8-bit grey levels up to 200, ``(size, size)``."""
    return np.clip(blob((size, size), seed, 200), 0, 255).astype(np.uint8)


def heads(count: int, seed: int, *, bright: bool = False) -> Array:
    """Return heads that differ in what is in them, uint8 ``(count, rows, columns)``: spots that are bright or dark."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : HEAD_SIZE * 1j, -1 : 1 : HEAD_SIZE * 1j]
    images = []
    for _ in range(count):
        head = (x**2 + y**2 < rng.uniform(0.7, 0.9)) * 0.5
        places = rng.uniform(-0.7, 0.7, (6, 2))
        sign = 0.4 if bright else -0.4
        spots = sum(sign * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 0.03) for a, b in places)
        images.append(head * (1 + spots) + rng.normal(0, 0.02, head.shape) * (head > 0))
    return (np.clip(images, 0, 1) * 255).astype(np.uint8)


def clouds(shape: tuple[int, ...], count: int = 12, seed: int = 0) -> Array:
    """Return images of smooth noise between 0 and 1, no two alike, ``(count, 1, *shape)``."""
    rng = np.random.default_rng(seed)
    return np.stack([gaussian_filter(rng.random((1, *shape)), (0, *(1.2,) * len(shape))) for _ in range(count)])


# Files


def write_nifti(path: Path, array: Array, affine: Array | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def write_picture(path: Path, array: Array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(array).save(path)
    return path


def dicom_slice(series: str, index: int, pixels: Array, number: int = 1, slope: float = 1) -> Dataset:
    """Return a CT slice of a patient with a name: oblique, 0.5×0.8 mm, 2.5 mm from the slice before it."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    uid = generate_uid(entropy_srcs=[series, str(index)])
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = PATIENT_NAME, "4711", "19700101"
    dataset.SeriesInstanceUID, dataset.SeriesNumber, dataset.Modality = series, number, "CT"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.PixelSpacing = [0.5, 0.8]
    normal = np.cross(DICOM_DIRECTIONS[:3], DICOM_DIRECTIONS[3:])
    dataset.ImageOrientationPatient = DICOM_DIRECTIONS.tolist()
    dataset.ImagePositionPatient = [f"{value:.6f}" for value in np.array([-10, 20, 30]) + 2.5 * index * normal]
    dataset.RescaleSlope, dataset.RescaleIntercept = slope, -1024
    dataset.PixelData = pixels.astype("<i2").tobytes()
    return dataset


def write_series(folder: Path, slices: int = 5, number: int = 1, seed: int = 0, slope: float = 1) -> Array:
    """Write a CT series under file names in no order; return its stored values ``(columns, rows, slices)``."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    voxels = rng.integers(0, 3000, (7, 6, slices)).astype(np.int16)
    series = generate_uid(entropy_srcs=[folder.name, str(number), str(seed)])
    for index, name in enumerate(rng.permutation(slices)):
        dataset = dicom_slice(series, index, voxels[:, :, index].T, number, slope)
        dataset.save_as(folder / f"{number}-IM{name}.dcm", enforce_file_format=True)
    return voxels


def put_into_study(folder: Path, study: str, frame: str = "", name: str = PATIENT_NAME) -> Path:
    """Give the files of a series what those of a real study have: its identifier, a frame of reference, a patient."""
    for file in folder.iterdir():
        header = dcmread(file)
        header.SpecificCharacterSet = "ISO_IR 100"
        header.PatientName, header.PatientSex, header.StudyDate, header.StudyTime = name, "F", "20200102", "1530"
        header.StudyInstanceUID, header.FrameOfReferenceUID, header.StudyID = study, frame or f"{study}.9", "17"
        header.ReferringPhysicianName, header.AccessionNumber, header.PositionReferenceIndicator = "", "", ""
        header.PatientPosition, header.BodyPartExamined = "HFS", "CHEST"
        header.save_as(file)
    return folder


# Tables and configurations


def pack(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write a tar archive of files by their names; return it."""
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, BytesIO(content))
    return path


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_pictures_table(folder: Path, count: int, classes: Sequence[str] = ()) -> Path:
    """Write pictures of 16×16 pixels, one per subject, whose classes take turns; return their CSV."""
    columns = ("SubjectID", "Channel_0", *(("Label", "LabelMapping") if classes else ()))
    rows: list[Sequence[object]] = []
    for index in range(count):
        image = write_picture(folder / "images" / f"{index}.png", blob_picture(16, index))
        label = index % len(classes) if classes else 0
        rows.append((f"s{index}", image, *((label, classes[label]) if classes else ())))
    return write_table(folder / "data.csv", columns, rows)


def add_sources(table: Path) -> Path:
    """Let every image of a table be made from a copy of itself: add the column Source_0."""
    with table.open(newline="") as file:
        header, *rows = csv.reader(file)
    places = [Path(row[header.index("Channel_0")]) for row in rows]
    copies = [
        copyfile(table.parent / place, table.parent / f"source_{n}_{place.name}") for n, place in enumerate(places)
    ]
    with table.open("w", newline="") as file:
        content = [[*row, copy.name] for row, copy in zip(rows, copies, strict=True)]
        csv.writer(file).writerows([[*header, "Source_0"], *content])
    return table


def write_tiny_config(path: Path, family: str, shape: Sequence[int], *, epochs: int) -> Path:
    """Write a configuration of the smallest model of a family, which draws no pictures while it trains."""
    section = {"model_name": family, **registry.load("models", family).tiny, "tensor_shape": list(shape)}
    document = {"model_config": {**section, "save_eval_images_every_n_epochs": -1}, "num_epochs": epochs}
    path.write_text(json.dumps({**document, "batch_size": 4, "compute": {"accelerator": "cpu", "precision": 32}}))
    return path


# Objects


def spec_of(dtype: str = "int16", channels: int = 1, classes: int = 2, **changes: object) -> DataSpec:
    """Return what a model knows of its data: 2D images of CT-like values, in ``classes`` classes labelled from 3 on."""
    facts: Mapping[str, object] = {
        "spatial_dims": 2, "num_channels": channels, "shape": (2, 2), "affine": np.eye(4).tolist(), "physical": True,
        "modality": "rad", "paradigm": "custom" if classes else "unlabeled", "labels": tuple(range(3, 3 + classes)),
        "class_names": tuple("abc"[:classes]), "low": (-100.0,) * channels, "high": (300.0,) * channels, "dtype": dtype,
        "range_scale": (1.0,) * channels, "range_offset": (0.0,) * channels,
        "column_channels": (1,) * channels, "column_names": tuple(f"t{i}" for i in range(channels)),
    }  # fmt: skip
    return DataSpec.model_validate({**facts, **changes})


def write_model(folder: Path, spec: DataSpec, name: str = "ddpm", **parts: object) -> Path:
    """Write a model with random weights as a folder for others, and return the folder."""
    import torch

    from gandlf_synth.models.build import build_module
    from gandlf_synth.models.checkpoint import write_safetensors

    torch.manual_seed(0)
    tiny = {
        "num_channels": [8, 8], "attention_levels": [False, True], "num_res_blocks": 1, "norm_num_groups": 4,
        "num_head_channels": 4, "num_train_timesteps": 10,
    }  # fmt: skip
    content = {"model_name": name, **({} if parts else {"architecture": tiny, "num_inference_steps": 2}), **parts}
    folder.mkdir(parents=True)
    write_safetensors(build_module(content, spec), ModelFolder(folder).exported)
    return folder


def facts_of(shape: tuple[int, ...], extent: tuple[float, ...] | None = None, **changes: object) -> Fingerprint:
    """Return what is known of a data set of grey images of ``shape``."""
    own = {
        "spatial_dims": len(shape), "column_channels": (1,), "column_names": ("channel_0",), "shape": shape,
        "smallest_shape": shape, "largest_shape": shape,
        "largest_extent": extent or tuple(map(float, shape)), "same_aspect": True, "low": (0.0,), "high": (1.0,),
        "dtype": "float32", "physical": True, "orientations": ("LPS",), "notes": (),
        "units": (Units("arbitrary", "units differ between images"),),
        "spacing": () if extent else (1.0,) * len(shape),
    }  # fmt: skip
    return Fingerprint(**(own | changes))


def image_of(array: Array, affine: Array | None = None) -> Image:
    """Return an image of values ``(channels, *spatial)`` as a reader would."""
    shape = array.shape[1:]
    return Image.from_file_values(array.astype(np.float32), Geometry(shape, np.eye(4) if affine is None else affine))


def apply_step(name: str, image: Image, parameters: object = None) -> Image:
    """Apply a preprocessing step by its name in a configuration."""
    return make_transform(Step(name=name, parameters=parameters))(image)


def verdict_of(evaluation: Evaluation, question: str) -> Verdict:
    return next(verdict for verdict in evaluation.verdicts if verdict.question == question)


def metric_value(evaluation: Evaluation, name: str) -> float:
    """Return the value of a metric that was computed."""
    metric = evaluation.metric(name)
    assert metric is not None
    assert metric.value is not None
    return metric.value.value
