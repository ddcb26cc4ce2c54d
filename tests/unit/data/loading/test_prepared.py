"""Scanning, the facts of a data set, the cache, and the way back to the units of the files."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from tests.factories import blob, write_nifti, write_picture

from gandlf_synth.config import Step
from gandlf_synth.data.formats.scan import scan_files
from gandlf_synth.data.inspection.fingerprint import Fingerprint, column_names, fingerprint
from gandlf_synth.data.loading import mapped_images
from gandlf_synth.data.loading.dataset import PreparedDataset
from gandlf_synth.data.loading.store import prepare
from gandlf_synth.data.loading.value_range import fit_value_range
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import DataError


def manifest_of(*rows: tuple[Path, ...]) -> Manifest:
    samples = tuple(Sample(index + 1, f"s{index}", tuple(row)) for index, row in enumerate(rows))
    return Manifest(Path("data.csv"), samples, "each row")


def facts(manifest: Manifest, cache: Path) -> Fingerprint:
    return fingerprint([manifest], scan_files([path for s in manifest.samples for path in s.channels], cache))


def test_grey_stored_as_rgb_counts_as_one_channel_beside_real_grey(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 255, (8, 8), dtype=np.uint8)
    marked = np.stack([grey] * 3, -1)
    marked[0, 0] = (255, 0, 0)
    rows = [
        (write_picture(tmp_path / "a.png", grey),),
        (write_picture(tmp_path / "b.png", np.stack([grey] * 3, -1)),),
        (write_picture(tmp_path / "c.png", marked),),
    ]

    found = facts(manifest_of(*rows), tmp_path / "cache")

    assert found.column_channels == (1,)
    assert any("2 of 3 pictures store grey as RGB" in note for note in found.notes)
    assert any("1 of them hold some coloured pixels" in note for note in found.notes)


def test_a_grey_picture_among_coloured_ones_counts_as_rgb(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    rows = [(write_picture(tmp_path / "a.png", colour),), (write_picture(tmp_path / "b.png", colour[..., 0].copy()),)]

    found = facts(manifest_of(*rows), tmp_path / "cache")
    prepared = prepare(manifest_of(*rows), Pipeline((), (3,), (8, 8)), tmp_path / "cache")

    assert (found.column_channels, found.is_colour) == ((3,), True)
    assert prepared.voxels(1).shape == (3, 8, 8)


def test_extents_are_measured_along_the_patients_axes(tmp_path: Path) -> None:
    turned = np.array([[0, 0, 3.0, 0], [1.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 0, 0, 1]])
    row = (write_nifti(tmp_path / "a.nii.gz", blob((10, 20, 30), 0), turned),)

    assert facts(manifest_of(row), tmp_path / "cache").largest_extent == pytest.approx((90, 10, 40))


@pytest.mark.parametrize(
    ("files", "names"),
    [
        ([("a_t1.nii", "a_flair.nii"), ("b_t1.nii", "b_flair.nii")], ("t1", "flair")),
        ([("x/t1.nii", "x/t2.nii"), ("y/t1.nii", "y/t2.nii")], ("t1", "t2")),
        ([("a.nii", "b.nii"), ("c.nii", "d.nii")], ("channel_0", "channel_1")),
    ],
)
def test_columns_are_named_by_what_their_files_share(files: list[tuple[str, ...]], names: tuple[str, ...]) -> None:
    assert column_names(manifest_of(*(tuple(map(Path, row)) for row in files))) == names


def test_mixed_channel_counts_name_the_odd_row(tmp_path: Path) -> None:
    rgba = np.random.default_rng(0).integers(0, 200, (8, 8, 4), dtype=np.uint8)
    rows = [(write_picture(tmp_path / f"{i}.png", rgba[..., :3].copy()),) for i in range(3)]
    rows.append((write_picture(tmp_path / "odd.png", rgba),))

    with pytest.raises(
        DataError, match=r"row 4, column Channel_0.*has 4 channels where the column's other images have 3"
    ):
        facts(manifest_of(*rows), tmp_path / "cache")


def test_network_values_go_back_to_the_units_of_the_files(tmp_path: Path) -> None:
    rows = [
        (write_nifti(tmp_path / f"{i}.nii.gz", blob((8, 8, 8), i, scale)),) for i, scale in enumerate((100, 200, 9000))
    ]
    manifest = manifest_of(*rows)
    steps = (Step(name="rescale", parameters={"percentiles": [0, 100], "out_min_max": [0, 1]}),)

    prepared = prepare(manifest, Pipeline(steps, (1,), (8, 8, 8)), tmp_path / "cache")
    mapped = fit_value_range(prepared)

    brightest = [blob((8, 8, 8), i, scale).max() for i, scale in enumerate((100, 200, 9000))]
    assert mapped.file_values(prepared, 1.0)[0] == pytest.approx(np.median(brightest), rel=1e-3)
    images = PreparedDataset(prepared, mapped).__getitems__([0, 1, 2])["image"]
    assert (images.min().item(), images.max().item()) == pytest.approx((-1, 1))


def test_z_scores_are_brought_to_the_range_of_the_model_without_losing_the_tails(tmp_path: Path) -> None:
    rows = [(write_nifti(tmp_path / f"{i}.nii.gz", blob((12, 12), i)),) for i in range(4)]

    prepared = prepare(manifest_of(*rows), Pipeline((Step(name="normalize"),), (1,), (12, 12)), tmp_path / "cache")
    images = PreparedDataset(prepared, fit_value_range(prepared)).__getitems__(range(4))["image"]

    assert images.abs().max().item() <= 1
    assert (images.min().item(), images.max().item()) == pytest.approx((-1, 1), abs=1e-4)


def test_batches_are_the_prepared_images_in_the_range_of_the_model_after_mapped_pages_were_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(write_nifti(tmp_path / f"{i}.nii.gz", blob((4, 4), i)),) for i in range(3)]
    prepared = prepare(manifest_of(*rows), Pipeline((), (1,), (4, 4)), tmp_path / "cache")
    mapped = fit_value_range(prepared)
    monkeypatch.setattr(mapped_images, "_RESIDENT_BYTES", 0)
    dataset = PreparedDataset(prepared, mapped)

    sent = pickle.loads(pickle.dumps(dataset))  # noqa: S301

    wanted = np.stack([mapped.to_network(prepared.voxels(index)) for index in (2, 0)])
    for own in (dataset, dataset, sent):
        assert np.array_equal(own.__getitems__([2, 0])["image"].numpy(), wanted)
