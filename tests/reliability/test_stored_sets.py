"""A set that mixes the storages of one image trains, is evaluated and is reconstructed as the one image that it is."""

import csv
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from tests import dicom_storages as dicom
from tests import storages as stored
from tests.dicom_storages import Coding
from tests.storages import TURNS, Scan, as_picture, make_scan

from gandlf_synth.config import parse_document
from gandlf_synth.data.formats.scan import scan_files
from gandlf_synth.data.inspection.duplicates import duplicates
from gandlf_synth.data.loading.network_input import network_input
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import read_manifest
from gandlf_synth.display.console import silent_console
from gandlf_synth.evaluation.grid import Grid
from gandlf_synth.evaluation.image_sets import load_image_set
from gandlf_synth.evaluation.paired.request import PairedRequest
from gandlf_synth.evaluation.paired.run import run_paired
from gandlf_synth.evaluation.planes import read_planes
from gandlf_synth.progress import no_progress
from gandlf_synth.training.data import prepare_data
from gandlf_synth.training.request import TrainingRequest
from gandlf_synth.training.run_plan import plan_run

Write = Callable[[Path], Path]
VOLUME = make_scan((16, 16, 16))
SLICE = make_scan((16, 16, 3)).slice(2)
PIXELS = as_picture(make_scan((16, 16, 3)), 2)


def turned(number: int, kind: str, scan: Scan = VOLUME) -> Scan:
    return scan.as_type(kind).turned(TURNS[number])


def as_mr(dataset: Dataset) -> None:
    dataset.Modality = "MR"


VOLUMES: Mapping[str, Write] = {
    "nifti": partial(stored.nifti, scan=turned(0, "int16")),
    "turned": partial(stored.nifti, scan=turned(13, "float32"), name="a.nii.gz", packed=False),
    "scaled": partial(stored.nifti, scan=Scan(turned(29, "uint16").voxels + 7, turned(29, "uint16").affine), intercept=-7),
    "int64": partial(stored.nifti, scan=turned(41, "int64"), order=">"),
    "nrrd": partial(stored.nrrd, scan=turned(22, "uint8"), encoding="gzip"),
    "mha": partial(stored.meta_image, scan=turned(35, "float64"), compressed=True),
    "series": partial(dicom.dicom_series, scan=turned(7, "int16"), change=as_mr, coding=Coding(12, signed=False)),
    "enhanced": partial(dicom.dicom_enhanced, scan=turned(31, "int16")),
}  # fmt: skip
SLICES: Mapping[str, Write] = {
    "nifti": partial(stored.nifti, scan=turned(0, "int16", SLICE)),
    "thin first axis": partial(stored.nifti, scan=turned(44, "uint8", SLICE), name="a.nii.gz"),
    "grey as rgb": partial(stored.nifti_colour, scan=turned(6, "uint8", SLICE)),
    "components": partial(stored.itk, scan=turned(28, "uint8", SLICE), colour=True),
    "nrrd": partial(stored.nrrd, scan=turned(19, "float32", SLICE)),
    "dicom": partial(dicom.dicom_slice, scan=turned(3, "int16", SLICE), change=as_mr),
    "dicom turned": partial(dicom.dicom_slice, scan=turned(17, "int16", SLICE), change=as_mr),
}
PICTURES: Mapping[str, Write] = {
    "png": partial(stored.picture, pixels=PIXELS.astype(np.uint8)),
    "rgb": partial(stored.picture, pixels=stored.grey_as_rgb(PIXELS.astype(np.uint8))),
    "bmp": partial(stored.picture, pixels=PIXELS.astype(np.uint8), name="a.bmp"),
    "tiff": partial(stored.tiff, pixels=PIXELS.astype(np.uint8), order=">"),
    "tiff miniswhite": partial(stored.tiff, pixels=255 - PIXELS.astype(np.uint8), photometric="miniswhite"),
    "npy": partial(stored.numpy_picture, pixels=PIXELS.astype(np.uint8)),
}
SETS = {"volumes": VOLUMES, "slices": SLICES, "pictures": PICTURES}


def write_set(folder: Path, name: str) -> Path:
    rows = []
    for key, write in SETS[name].items():
        place = folder / key
        place.mkdir()
        rows.append([key, write(place)])
    table = folder / "data.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["SubjectID", "Channel_0"], *rows])
    return table


@pytest.mark.parametrize("steps", ["", "data_preprocessing: [{resize: [16, 16]}]\n"])
@pytest.mark.parametrize("name", SETS)
def test_a_mixed_set_trains_on_one_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, steps: str
) -> None:
    monkeypatch.setenv("GANDLF_SYNTH_CACHE", str(tmp_path / "cache"))
    steps = steps.replace("16, 16", "16, 16, 16") if name == "volumes" else steps
    text = f"model_config: {{model_name: ddpm}}\n{steps}compute: {{accelerator: cpu}}\n"
    request = TrainingRequest(parse_document(text, "config.yaml"), write_set(tmp_path, name), tmp_path / "model")

    run = plan_run(request, silent_console())
    data = prepare_data(run.splits, run.scans, run.plan.config, run.facts, run.cache, no_progress)

    batch = next(iter(data.loaders(run.plan.config, 0).train_dataloader()))["image"].numpy()
    first = batch[0]
    assert np.ptp(first) > 1.9
    assert np.abs(batch - first).max() < 1e-4
    config = run.plan.config
    pipeline = Pipeline(tuple(config.data_preprocessing.of("val") or []), run.facts.column_channels, data.spec.shape)
    images = [pipeline(sample) for sample in run.splits["train"].samples]
    assert all(image.geometry.matches(images[0].geometry) for image in images)
    later = network_input(images, data.spec).numpy()
    assert np.abs(later - first).max() < 1e-4


@pytest.mark.parametrize("name", SETS)
def test_a_mixed_set_is_evaluated_as_one_image(tmp_path: Path, name: str) -> None:
    images = load_image_set("real", write_set(tmp_path, name), tmp_path / "cache", no_progress, skip_unreadable=False)
    dims = 3 if name == "volumes" else 2
    grid = Grid((16, 16), dims, 4 if dims == 3 else 1, (1,), None, None)

    planes = read_planes(images, grid, tmp_path / "cache", no_progress)

    assert np.ptp(planes.pixels[0]) > 0.9
    assert np.abs(planes.pixels - planes.pixels[0]).max() < 1e-3


@pytest.mark.parametrize("name", SETS)
def test_every_storage_of_one_image_is_a_duplicate(tmp_path: Path, name: str) -> None:
    manifest = read_manifest(write_set(tmp_path, name))
    scans = scan_files([path for sample in manifest.samples for path in sample.channels], tmp_path / "cache")

    findings = duplicates([manifest], scans)

    assert [finding.row for finding in findings] == list(range(2, len(manifest.samples) + 1))


def test_a_pair_is_compared_however_its_axes_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANDLF_SYNTH_CACHE", str(tmp_path / "cache"))
    for folder, number in (("real", 0), ("made", 13)):
        (tmp_path / folder).mkdir()
        for subject, seed in (("a", 0), ("b", 1)):
            scan = Scan(VOLUME.voxels + seed, VOLUME.affine).as_type("int16").turned(TURNS[number])
            stored.nifti(tmp_path / folder, scan, name=f"{subject}.nii")
    request = PairedRequest(tmp_path / "real", tmp_path / "made", tmp_path / "out", ("mean_absolute_error",))

    result = run_paired(request, no_progress)

    assert result.metrics["mean_absolute_error"].value == 0
