"""Samples whose images are made from others: one geometry for all, sources beside or drawn, what is missing marked."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.factories import write_nifti, write_table

from gandlf_synth.config import Step
from gandlf_synth.data.formats.scan import scan_files
from gandlf_synth.data.inspection.fingerprint import fingerprint
from gandlf_synth.data.loading.conditioned import ConditionedDataset
from gandlf_synth.data.loading.conditioners import encode_rows, fit_conditioners
from gandlf_synth.data.loading.mapped_images import MappedImages
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.store import prepare
from gandlf_synth.data.loading.value_range import fit_value_range
from gandlf_synth.data.processing.augmenter import Augmenter
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import read_manifest

SHAPE = (12, 10, 8)
COLUMNS = ["SubjectID", "Channel_0", "Source_0", "Source_1"]


def dataset_of(folder: Path, rows: list[list[str]], augmentation: list[Step] | None = None) -> ConditionedDataset:
    """Return the samples of images that are written into ``folder``: every file holds the number in its name."""
    axes = np.meshgrid(*(np.arange(size) for size in SHAPE), indexing="ij")
    level = sum(axis * 10**place for place, axis in enumerate(axes)).astype(np.float32)
    for name in {cell for row in rows for cell in row[1:] if cell}:
        number = int("".join(filter(str.isdigit, name)))
        write_nifti(folder / name, level + number)
    manifest = read_manifest(write_table(folder / "data.csv", COLUMNS[: len(rows[0])], rows))
    data = fingerprint([manifest], scan_files([path for sample in manifest.samples for path in sample.files], folder))
    parts = fit_conditioners([Step(name="image")], manifest, data)
    pipeline = Pipeline((), data.column_channels, SHAPE, keeps_mask=True, source_channels=data.source_channels)
    samples = prepare(manifest, pipeline, folder / "cache")
    value_range = fit_value_range(samples)
    sources = len(data.source_channels)
    spec = DataSpec(
        spatial_dims=3, num_channels=1, shape=SHAPE, affine=tuple(map(tuple, np.eye(4).tolist())), physical=True,
        modality="rad", paradigm="unlabeled", low=(0,), high=(1,), range_scale=(1,), range_offset=(0,),
        dtype="float32", column_channels=(1,), column_names=("a",), conditions=parts,
        source_channels=data.source_channels, source_names=data.source_names, source_scale=(1,) * sources,
        source_offset=(0,) * sources,
    )  # fmt: skip
    augmenter = Augmenter(augmentation, 3) if augmentation else None
    return ConditionedDataset(samples, value_range, spec, encode_rows(manifest.samples, spec.parts), augmenter)


def test_a_missing_source_is_zero_and_marked(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, [["a", "1.nii", "2.nii", "3.nii"], ["b", "4.nii", "", "5.nii"]])

    image = dataset.__getitems__([0, 1])["condition"]["image"]

    assert image.shape == (2, 5, *SHAPE)
    assert image[:, 2:, 0, 0, 0].tolist() == [[1, 1, 1], [0, 1, 1]]
    assert image[1, 0].abs().max() == 0
    assert image[0, 0].abs().max() == 1


def test_a_missing_source_does_not_change_the_range_of_the_others(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, [["a", "1.nii", "2.nii", "3.nii"], ["b", "4.nii", "", "5.nii"]])

    image = dataset.__getitems__([0])["condition"]["image"]

    assert (float(image[0, 0].min()), float(image[0, 0].max())) == pytest.approx((-1, 1), abs=1e-5)


def test_augmentation_moves_image_and_source_alike(tmp_path: Path) -> None:
    steps = [
        Step(name="flip", parameters={"probability": 1.0}),
        Step(name="affine", parameters={"probability": 1.0}),
    ]
    rows = [["a", "1.nii", "2.nii"], ["b", "3.nii", "4.nii"]]
    dataset = dataset_of(tmp_path, rows, steps)

    batch = dataset.__getitems__([0, 1, 2, 3])

    # Target and source of a row differ by a constant that the common range takes away.
    inside = batch["image"] > -0.9
    difference = (batch["image"] - batch["condition"]["image"][:, :1])[inside]
    assert difference.std() < 0.01
    assert not torch.equal(batch["image"][0], batch["image"][2])


def test_noise_is_added_to_the_source_and_not_to_what_is_learned(tmp_path: Path) -> None:
    rows = [["a", "1.nii", "2.nii"], ["b", "3.nii", "4.nii"]]
    clean = dataset_of(tmp_path / "clean", rows).__getitems__([0])
    noise = [Step(name="noise", parameters={"probability": 1.0})]

    noisy = dataset_of(tmp_path / "noisy", rows, noise).__getitems__([0])

    assert torch.allclose(noisy["image"], clean["image"], atol=1e-6)
    assert not torch.allclose(noisy["condition"]["image"], clean["condition"]["image"], atol=1e-3)


def test_unpaired_sources_are_drawn_anew_in_every_epoch(tmp_path: Path) -> None:
    images = [[f"i{number}", f"{number}.nii", ""] for number in range(3)]
    sources = [[f"s{number}", "", f"{number}00.nii"] for number in range(1, 6)]
    dataset = dataset_of(tmp_path, [*images, *sources])

    drawn = {
        tuple(dataset.__getitems__(range(3 * epoch, 3 * epoch + 3))["condition"]["image"][:, 0, 0, 0, 0].tolist())
        for epoch in range(4)
    }

    assert len(dataset) == 3
    assert len(drawn) > 1
    assert dataset.in_memory, "worker processes would only cost"
    assert dataset.rows([2, 0]) == [2, 0]
    assert dataset.__getitems__([2])["condition"]["image"][0, -1].min() == 1


def test_latents_take_the_place_of_images_while_sources_stay(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, [["a", "1.nii", "2.nii"], ["b", "3.nii", "4.nii"]])
    before = dataset.__getitems__([0, 1])
    assert dataset.mapped is not None
    MappedImages.write(tmp_path / "latents.f32", (np.full((2, 3), number, np.float32) for number in range(2)))

    dataset.show(MappedImages.read(tmp_path / "latents.f32", (2, 2, 3)))

    after = dataset.__getitems__([1, 0])
    assert after["image"][:, 0, 0].tolist() == [1, 0]
    assert torch.equal(after["condition"]["image"], before["condition"]["image"].flip(0))
