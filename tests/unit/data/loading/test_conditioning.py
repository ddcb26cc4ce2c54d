"""What the built-in conditioners make of rows and images, and which rows they refuse."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.factories import Array, write_nifti, write_table

from gandlf_synth.config import Step
from gandlf_synth.data.formats.scan import Scans, scan_files
from gandlf_synth.data.inspection.fingerprint import fingerprint
from gandlf_synth.data.loading.conditioners import ConditionPart, encode_rows, fit_conditioners
from gandlf_synth.data.loading.conditioning.low_resolution import coarsened
from gandlf_synth.data.loading.conditioning.mask_labels import MaskLabels
from gandlf_synth.data.loading.conditioning.region_voided import RegionVoided, random_holes
from gandlf_synth.data.loading.conditioning.row_checks import (
    check_before_fit,
    check_inputs,
    check_rows,
    check_sources,
    warnings_of,
)
from gandlf_synth.data.loading.sample_images import SampleImages
from gandlf_synth.data.table.manifest import Manifest, read_manifest
from gandlf_synth.errors import DataError

SHAPE = (6, 5, 4)


def label_map(*labels: float) -> Array:
    array = np.zeros(SHAPE, np.float32)
    array.flat[: len(labels)] = labels
    return array


def rows_of(folder: Path, rows: list[dict[str, object]]) -> tuple[Manifest, Scans]:
    """Return the rows of a CSV and what is known of their files; arrays are written as images."""
    columns = ["SubjectID", "Channel_0", *dict.fromkeys(name for row in rows for name in row if name != "Channel_0")]
    cells = []
    for number, row in enumerate(rows):
        filled = {"SubjectID": f"s{number}", "Channel_0": np.random.default_rng(number).random(SHAPE), **row}
        for name, value in filled.items():
            if isinstance(value, np.ndarray):
                filled[name] = f"{folder.name}_{number}_{name}.nii"
                write_nifti(folder / str(filled[name]), value.astype(np.float32))
        cells.append([str(filled.get(name, "")) for name in columns])
    manifest = read_manifest(write_table(folder / "data.csv", columns, cells))
    return manifest, scan_files([path for sample in manifest.samples for path in sample.files], folder / "cache")


def fit(name: str, parameters: object, manifest: Manifest, scans: Scans) -> ConditionPart:
    (part,) = fit_conditioners([Step(name=name, parameters=parameters)], manifest, fingerprint([manifest], scans))
    return part


def images_of(**changes: object) -> SampleImages:
    nothing = SampleImages(None, np.zeros((0, *SHAPE), np.float32), (), (), None, None, (1.0, 1.0, 1.0))
    return replace(nothing, **changes)


# Masks


def test_labels_far_apart_become_neighboring_channels(tmp_path: Path) -> None:
    manifest, scans = rows_of(tmp_path, [{"Mask": label_map(2, 2035)}, {"Mask": label_map(5)}])
    part = fit("mask", None, manifest, scans)

    painted = MaskLabels().paint(images_of(mask=label_map(0, 2, 5, 2035).astype(np.uint16)), part.facts, None)

    assert part.facts == {"labels": [0, 2, 5, 2035]}
    assert painted is not None
    assert painted[:, 0, 0].T.tolist() == np.eye(4).tolist()
    assert painted.sum(axis=0).max() == 1


def test_a_label_that_no_training_row_has_is_refused_with_its_row(tmp_path: Path) -> None:
    train, scans = rows_of(tmp_path / "train", [{"Mask": label_map(1)}, {"Mask": label_map(2)}])
    part = fit("mask", None, train, scans)
    val, scans = rows_of(tmp_path / "val", [{"Mask": label_map(1)}, {"Mask": label_map(1, 3, 7)}])

    with pytest.raises(DataError, match=r"data.csv row 2, column Mask \(.*\): has labels .*: 3, 7; allowed: 0, 1, 2"):
        check_rows(val, [part], scans)


def test_fractions_in_a_mask_are_refused_with_their_row(tmp_path: Path) -> None:
    manifest, scans = rows_of(tmp_path, [{"Mask": label_map(1)}, {"Mask": label_map(0.5)}])

    with pytest.raises(DataError, match=r"row 2, column Mask .*holds no label map; allowed: whole numbers"):
        check_before_fit([manifest], [Step(name="mask")], scans)


def test_a_class_that_is_dropped_looks_like_background() -> None:
    mask = images_of(mask=label_map(1, 2).astype(np.uint16))
    conditioner, facts = MaskLabels(drop_classes=0.5), {"labels": [0, 1, 2]}
    drawn = [conditioner.paint(mask, facts, np.random.default_rng(seed)) for seed in range(40)]

    kept = {tuple(bool(one[label].any()) for label in (1, 2)) for one in drawn if one is not None}

    assert kept == {(True, True), (True, False), (False, True), (False, False)}
    assert all(one is not None and (one.sum(axis=0) == 1).all() for one in drawn)


def test_a_mask_that_was_always_there_is_needed_of_a_trained_model(tmp_path: Path) -> None:
    manifest, scans = rows_of(tmp_path / "all", [{"Mask": label_map(1)}, {"Mask": label_map(1)}])
    always = fit("mask", None, manifest, scans)
    some, some_scans = rows_of(tmp_path / "some", [{"Mask": label_map(1)}, {"Mask": ""}])

    with pytest.raises(DataError, match="row 2, column Mask: is empty, and the model never learned to do without"):
        check_inputs(some, [always], some_scans)
    check_inputs(some, [fit("mask", None, some, some_scans)], some_scans)


# Regions


@pytest.mark.parametrize(("value", "words"), [(0, "is 0 everywhere"), (1, "is not 0 anywhere")])
def test_a_region_that_is_nothing_or_everything_is_refused(tmp_path: Path, value: int, words: str) -> None:
    rows = [{"Region": label_map(1)}, {"Region": np.full(SHAPE, value)}]
    manifest, scans = rows_of(tmp_path, rows)
    part = fit("region", None, manifest, scans)

    with pytest.raises(DataError, match=f"row 2, column Region .*{words}"):
        check_rows(manifest, [part], scans)


def test_random_holes_have_the_sizes_that_were_asked_for() -> None:
    sizes = [random_holes((40, 40, 40), (0.1, 0.5), np.random.default_rng(seed)).mean() for seed in range(200)]

    assert min(sizes) > 0
    assert max(sizes) <= 3 * 0.5**3
    assert np.mean(sizes) > 0.01


def test_random_holes_lie_where_there_is_something_to_learn() -> None:
    head = np.zeros((1, 40, 40), np.float32)
    head[:, 10:30, 10:30] = np.random.default_rng(0).uniform(size=(1, 20, 20))

    holes = [random_holes((40, 40), (0.1, 0.2), np.random.default_rng(seed), head) for seed in range(100)]

    assert np.mean([(head[0] > 0)[hole].any() for hole in holes]) > 0.98
    assert random_holes((40, 40), (0.1, 0.2), np.random.default_rng(0), np.zeros_like(head)).any()


def test_what_is_outside_of_a_hole_is_the_image_itself() -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (1, *SHAPE)).astype(np.float32)
    painted = RegionVoided().paint(images_of(image=image), {}, np.random.default_rng(1))

    assert painted is not None
    hole = painted[1] == 1
    assert np.array_equal(painted[0][~hole], image[0][~hole])
    assert (painted[0][hole] == 0).all()


# Low resolution


@pytest.mark.parametrize("blur", [0.0, 1.0, None])
def test_a_slope_stays_where_it_is_at_low_resolution(blur: float | None) -> None:
    slope = np.broadcast_to(np.arange(24, dtype=np.float32), (1, 8, 24))

    low = coarsened(slope, [1, 4], blur=blur)

    assert np.allclose(low[..., 8:-8], slope[..., 8:-8], atol=0.01)


def test_low_resolution_takes_fine_detail_away_along_its_axis_only() -> None:
    stripes = np.zeros((1, 16, 16), np.float32)
    stripes[:, ::2] = 1

    across, along = (coarsened(stripes, factors, blur=1.0) for factors in ([4, 1], [1, 4]))

    assert across[:, 4:-4].std() < 0.02
    assert np.allclose(along, stripes, atol=1e-6)


# Columns


def column_of(folder: Path, values: list[str]) -> Manifest:
    return rows_of(folder, [{"age": value} for value in values])[0]


def test_near_values_of_a_scalar_are_told_apart_and_its_ends_are_not_the_same(tmp_path: Path) -> None:
    train = column_of(tmp_path, ["40", "60", ""])
    (part,) = fit_conditioners([Step(name="scalar", parameters="age")], train)

    numbers = encode_rows(column_of(tmp_path / "asked", ["40", "60", "50", "51", ""]).samples, [part])["age"]

    assert part.facts == {"low": 40.0, "high": 60.0}
    assert numbers[:, -1].tolist() == [1, 1, 1, 1, 0]
    assert (numbers[0] - numbers[1]).abs().max() > 1
    assert (numbers[2] - numbers[3]).abs().max() > 0.3
    assert numbers[4].abs().max() == 0


def test_a_scalar_that_is_no_number_is_refused_with_its_row(tmp_path: Path) -> None:
    train = column_of(tmp_path, ["40", "sixty", "nan", "50"])

    with pytest.raises(DataError) as error:
        fit_conditioners([Step(name="scalar", parameters="age")], train)

    assert "row 2, column age: is 'sixty'; allowed: a number" in str(error.value)
    assert "row 3, column age: is 'nan'" in str(error.value)


def test_a_scalar_outside_of_the_training_range_is_warned_of(tmp_path: Path) -> None:
    parameters: Mapping[str, object] = {"column": "age", "unit": "years"}
    (part,) = fit_conditioners([Step(name="scalar", parameters=dict(parameters))], column_of(tmp_path, ["40", "60"]))

    (warning,) = warnings_of(column_of(tmp_path / "asked", ["50", "85", ""]), [part])

    assert "row 2, column age: 85 years lies outside of the training rows, 40 to 60 years" in warning


def test_a_word_that_no_training_row_has_is_refused(tmp_path: Path) -> None:
    (part,) = fit_conditioners([Step(name="category", parameters="age")], column_of(tmp_path, ["young", "old", ""]))

    with pytest.raises(DataError, match="row 1, column age: is 'Young', which no training row has; allowed: old, you"):
        check_rows(column_of(tmp_path / "asked", ["Young", "old", ""]), [part], {})


def test_a_column_that_is_missing_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no column 'Age' .*allowed: age; did you mean 'age'"):
        fit_conditioners([Step(name="scalar", parameters="Age")], column_of(tmp_path, ["40", "60"]))


def test_vectors_lie_beside_the_table_and_have_one_length(tmp_path: Path) -> None:
    for name, size in (("a", 3), ("b", 3), ("c", 4)):
        np.save(tmp_path / f"{name}.npy", np.arange(1, size + 1))
    train = column_of(tmp_path, ["a.npy", "b.npy"])
    (part,) = fit_conditioners([Step(name="embedding", parameters="age")], train)

    vectors = encode_rows(train.samples, [part])["age"]

    assert vectors.shape == (2, 4)
    assert float((vectors[:, :-1] ** 2).mean()) == pytest.approx(1)
    with pytest.raises(DataError, match=r"row 1, column age: .*has 4 numbers, and those of the training rows have 3"):
        check_rows(column_of(tmp_path, ["c.npy", "a.npy"]), [part], {})
    with pytest.raises(DataError, match=r"row 2, column age: .*gone\.npy.* cannot be read"):
        fit_conditioners([Step(name="embedding", parameters="age")], column_of(tmp_path, ["a.npy", "gone.npy"]))


def test_low_resolution_of_two_is_the_mean_of_two_at_the_least_blur() -> None:
    image = np.random.default_rng(0).normal(size=(1, 8)).astype(np.float32)

    coarse = coarsened(image, [2], blur=0.0)

    means = image.reshape(4, 2).mean(1)
    places = (np.arange(8) + 0.5) / 2 - 0.5
    assert np.allclose(coarse[0], np.interp(places, np.arange(4), means), atol=1e-6)


# Rows that have nothing to be made from


def test_an_image_with_nothing_to_be_made_from_is_refused_with_its_row(tmp_path: Path) -> None:
    source = np.ones(SHAPE)
    manifest, scans = rows_of(tmp_path, [{"Source_0": source}, {"Source_0": ""}, {"Source_0": source}])
    part = fit("image", {}, manifest, scans)

    with pytest.raises(DataError, match=r"row 2, column Source_0: is empty.*leave the row out"):
        check_sources(manifest, [part])


def test_holes_at_random_are_enough_to_learn_from(tmp_path: Path) -> None:
    manifest, scans = rows_of(tmp_path, [{"Source_0": np.ones(SHAPE)}, {"Source_0": ""}])
    parts = [fit("image", {}, manifest, scans), fit("region", {"holes": "random"}, manifest, scans)]

    check_sources(manifest, parts)
