"""The unit of a data set is seen from its values and headers, never from the number type; it is one for all images."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydicom.data import get_testdata_file
from tests.factories import Array, dicom_slice, write_nifti, write_picture

from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.formats.scan import scan_files
from gandlf_synth.data.inspection.fingerprint import Fingerprint, fingerprint
from gandlf_synth.data.inspection.units import check_depths
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import Manifest, read_manifest
from gandlf_synth.errors import DataError
from gandlf_synth.training.defaults import choose_normalization

SIZE = (16, 16, 12)
TISSUE = (3, 3, 3)
"""A voxel of 40 HU in every patient."""


def body(seed: int, hardest: float = 1500) -> Array:
    """Return whole HU: air around a body of soft tissue and fat with some bone, which is harder in some patients."""
    rng = np.random.default_rng(seed)
    values = np.full(SIZE, -1000.0)
    values[2:14, 2:14] = rng.normal(40, 25, (12, 12, 12))
    values[4:6, 4:12] = rng.normal(-100, 15, (2, 8, 12))
    values[9:11, 9:11] = rng.uniform(300, hardest, (2, 2, 12))
    values[TISSUE] = 40
    return values.round()


def mri(seed: int) -> Array:
    """Return a brain without units, background 0."""
    rng = np.random.default_rng(seed)
    values = np.zeros(SIZE)
    values[3:13, 3:13] = rng.normal(600, 150, (10, 10, 12))
    return np.abs(values).round()


def as_float32(path: Path, values: Array) -> Path:
    return write_nifti(path.with_suffix(".nii.gz"), values.astype(np.float32))


def as_int16(path: Path, values: Array) -> Path:
    return write_nifti(path.with_suffix(".nii.gz"), values.astype(np.int16))


def as_uint16_with_intercept(path: Path, values: Array) -> Path:
    image = nib.Nifti1Image((values + 1024).astype(np.uint16), np.eye(4))
    image.header.set_slope_inter(1, -1024)
    nib.save(image, path.with_suffix(".nii.gz"))
    return path.with_suffix(".nii.gz")


def as_resampled_with_padding(path: Path, values: Array) -> Path:
    padded = np.pad(values, 3, constant_values=-3024)
    return write_nifti(path.with_suffix(".nii.gz"), padded.astype(np.float32))


def as_array(path: Path, values: Array) -> Path:
    np.save(path.with_suffix(".npy"), values.astype(np.int32))
    return path.with_suffix(".npy")


Save = Callable[[Path, Array], Path]
STORAGES: tuple[Save, ...] = (as_float32, as_int16, as_uint16_with_intercept, as_resampled_with_padding)


def table(folder: Path, *columns: list[Path]) -> Manifest:
    path = folder / "a.csv"
    rows = [",".join(map(str, files)) for files in zip(*columns, strict=True)]
    path.write_text("\n".join([",".join(f"Channel_{number}" for number in range(len(columns))), *rows]))
    return read_manifest(path)


def facts_of(manifest: Manifest) -> Fingerprint:
    files = [path for sample in manifest.samples for path in sample.channels]
    scans = scan_files(files, manifest.path.parent / "cache")
    check_depths([manifest], scans)
    return fingerprint([manifest], scans)


def prepared_of(manifest: Manifest) -> list[Array]:
    """Return every image as the automatic normalisation prepares it."""
    facts = facts_of(manifest)
    pipeline = Pipeline(tuple(choose_normalization(facts).value), facts.column_channels, None)
    return [pipeline(sample).array for sample in manifest.samples]


def window_of(manifest: Manifest) -> object:
    return choose_normalization(facts_of(manifest)).value[0].parameters.get("in_min_max")


@pytest.mark.parametrize("storages", [*[(storage,) * 4 for storage in (*STORAGES, as_array)], STORAGES])
def test_forty_hu_are_one_number_in_every_patient_however_they_are_stored(
    tmp_path: Path, storages: tuple[Save, ...]
) -> None:
    values = [body(seed, hardest) for seed, hardest in enumerate((400, 900, 1500, 3000))]
    files = [save(tmp_path / str(k), values[k]) for k, save in enumerate(storages)]

    prepared = prepared_of(table(tmp_path, files))

    for image, save in zip(prepared, storages, strict=True):
        shift = 3 if save is as_resampled_with_padding else 0
        assert image[0][tuple(np.add(TISSUE, shift))] == pytest.approx(0.04, abs=1e-5)


def test_the_choice_says_what_it_was_seen_from(tmp_path: Path) -> None:
    files = [as_float32(tmp_path / str(seed), body(seed)) for seed in range(3)]

    choice = choose_normalization(facts_of(table(tmp_path, files)))

    assert "-1000 to 1000 HU" in choice.reason
    assert "3 of 3 images have air near -1000 and soft tissue near 40 HU" in choice.reason


def phase(seed: int) -> Array:
    return np.random.default_rng(seed).integers(-4096, 4095, SIZE).astype(np.float64)


def phase_in_milliradians(seed: int) -> Array:
    return np.random.default_rng(seed).uniform(-3142, 3142, SIZE).round()


def uniform_phase(seed: int) -> Array:
    return np.random.default_rng(seed).integers(-1000, 1000, SIZE).astype(np.float64)


def standardized(seed: int) -> Array:
    values = mri(seed)
    return (values - values.mean()) / values.std()


def standardized_in_thousandths(seed: int) -> Array:
    return (standardized(seed) * 1000).round()


@pytest.mark.parametrize(
    "values", [mri, phase, phase_in_milliradians, uniform_phase, standardized, standardized_in_thousandths]
)
@pytest.mark.parametrize("save", [as_int16, as_float32])
def test_mri_with_negative_values_is_no_ct(tmp_path: Path, values: Callable[[int], Array], save: Save) -> None:
    files = [save(tmp_path / str(seed), values(seed)) for seed in range(3)]

    assert window_of(table(tmp_path, files)) is None


def test_parts_of_the_body_without_air_belong_to_ct(tmp_path: Path) -> None:
    files = [as_float32(tmp_path / str(seed), body(seed)) for seed in range(3)]
    liver = body(3)[2:14, 2:14]
    files.append(as_float32(tmp_path / "liver", liver))

    assert window_of(table(tmp_path, files)) == [-1000.0, 1000.0]


@pytest.mark.parametrize("odd", [mri(9), body(9) + 1024, body(9) * 10], ids=["MRI", "intercept lost", "other slope"])
def test_images_that_are_no_ct_among_ct_are_an_error_by_row(tmp_path: Path, odd: Array) -> None:
    files = [as_int16(tmp_path / str(seed), body(seed)) for seed in range(4)]
    files.insert(2, as_float32(tmp_path / "odd", odd))

    with pytest.raises(
        DataError, match=r"a\.csv row 3, .*cannot be CT in Hounsfield units.* 4 of 5 images are"
    ) as error:
        window_of(table(tmp_path, files))
    assert len(error.value.problems) == 1


def test_ct_among_other_images_is_an_error_by_row(tmp_path: Path) -> None:
    files = [as_int16(tmp_path / str(seed), mri(seed)) for seed in range(4)]
    files.append(as_float32(tmp_path / "ct", body(9)))

    with pytest.raises(DataError, match=r"row 5, .*looks like CT in Hounsfield units.* 4 of 5 images do not"):
        window_of(table(tmp_path, files))


def dicom(folder: Path, name: str, pixels: Array, modality: str, intercept: int, kind: str = "HU") -> Path:
    dataset = dicom_slice("1.2.3", 0, pixels.astype(np.int16))
    dataset.Modality, dataset.RescaleIntercept, dataset.RescaleType = modality, intercept, kind
    dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)
    return folder / f"{name}.dcm"


def test_a_header_that_says_ct_is_believed_unless_the_values_contradict(tmp_path: Path) -> None:
    noise = [np.random.default_rng(seed).integers(0, 3000, (24, 20)) for seed in range(3)]
    files = [dicom(tmp_path, str(k), pixels, "CT", -1024) for k, pixels in enumerate(noise)]

    choice = choose_normalization(facts_of(table(tmp_path, files)))
    assert "3 of 3 headers say CT" in choice.reason

    files.append(dicom(tmp_path, "lost", noise[0], "CT", 0))
    with pytest.raises(DataError, match=r"row 4, .*its header says CT.*is a rescale intercept lost"):
        window_of(table(tmp_path, files))


def test_a_header_that_says_mr_is_believed(tmp_path: Path) -> None:
    slices = [body(seed)[:, :, 0] for seed in range(3)]
    files = [dicom(tmp_path, str(k), values + 1024, "MR", -1024) for k, values in enumerate(slices)]

    assert window_of(table(tmp_path, files)) is None


def test_real_ct_is_known_by_its_header_and_where_air_is_in_it_by_its_values(tmp_path: Path) -> None:
    """pydicom's examples: a lossy slice, whose padding is spread, and one with padding of -2000."""
    pytest.importorskip("openjpeg")
    found = [get_testdata_file(name, download=False) for name in ("693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm")]
    files = [Path(name) for name in found if isinstance(name, str)]
    assert window_of(table(tmp_path, files)) == [-1000.0, 1000.0]

    values = read_image(files[1]).array[0][..., None].repeat(4, axis=-1)
    unnamed = [as_float32(tmp_path / str(k), values + k) for k in range(2)]
    assert window_of(table(tmp_path, unnamed)) == [-1000.0, 1000.0]


def test_a_ct_scanner_measures_other_things_too(tmp_path: Path) -> None:
    noise = [np.random.default_rng(seed).integers(0, 3000, (24, 20)) for seed in range(3)]
    files = [dicom(tmp_path, str(k), pixels, "CT", -1024, "Z_EFF") for k, pixels in enumerate(noise)]

    assert window_of(table(tmp_path, files)) is None


def test_each_column_has_a_unit_of_its_own(tmp_path: Path) -> None:
    ct = [as_float32(tmp_path / f"ct{seed}", body(seed)) for seed in range(3)]
    pet = [as_float32(tmp_path / f"pet{seed}", mri(seed)) for seed in range(3)]
    manifest = table(tmp_path, ct, pet)

    assert window_of(manifest) == [[-1000.0, 1000.0], None]
    assert "Channel_0: CT" in choose_normalization(facts_of(manifest)).reason
    prepared = prepared_of(manifest)
    assert [image[0][TISSUE] for image in prepared] == pytest.approx([0.04] * 3)
    assert all(image[1].max() == 1 for image in prepared)


def picture(seed: int) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (20, 24)).astype(np.uint8)


def as_png(path: Path, values: Array) -> Path:
    return write_picture(path.with_suffix(".png"), values)


@pytest.mark.parametrize("number_type", [np.uint16, np.int32, np.int64, np.float32])
def test_eight_bits_are_one_scale_in_any_container(tmp_path: Path, number_type: type) -> None:
    files = []
    for seed in range(4):
        path = tmp_path / f"{seed}.npy"
        np.save(path, picture(seed).astype(number_type if seed % 2 else np.uint8))
        files.append(path)
    manifest = table(tmp_path, files)

    assert window_of(manifest) == [0.0, 255.0]
    for image, seed in zip(prepared_of(manifest), range(4), strict=True):
        np.testing.assert_allclose(np.sort(image, None), np.sort(picture(seed), None) / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize(("factor", "end"), [(16, 4095), (257, 65535)], ids=["12 bits in 16", "16 bits"])
def test_pictures_of_more_bits_that_share_a_scale_get_one_window(tmp_path: Path, factor: int, end: int) -> None:
    files = [as_png(tmp_path / str(seed), picture(seed).astype(np.uint16) * factor) for seed in range(4)]

    assert window_of(table(tmp_path, files)) == [0.0, end]


@pytest.mark.parametrize(
    ("odd", "usual"),
    [
        (lambda values: values.astype(np.uint16) * 257, lambda values: values),
        (lambda values: values, lambda values: values.astype(np.uint16) * 257),
        (lambda values: values.astype(np.uint16) * 16, lambda values: values),
        (lambda values: values.astype(np.uint16) * 16, lambda values: values.astype(np.uint16) * 257),
    ],
    ids=["16 among 8 bits", "8 among 16 bits", "12 among 8 bits", "12 among 16 bits"],
)
def test_pictures_of_mixed_bits_are_an_error_by_row(
    tmp_path: Path, odd: Callable[[Array], Array], usual: Callable[[Array], Array]
) -> None:
    odd_rows = (2, 5)
    files = [as_png(tmp_path / str(seed), (odd if seed + 1 in odd_rows else usual)(picture(seed))) for seed in range(7)]

    with pytest.raises(DataError, match="bits") as error:
        facts_of(table(tmp_path, files))

    assert [f"row {row}," in problem.where for row, problem in zip(odd_rows, error.value.problems, strict=True)]
    assert "convert all to one number of bits" in str(error.value)


def test_exposures_that_differ_are_no_mixed_bits(tmp_path: Path) -> None:
    brightness = np.geomspace(3, 250, 9)
    files = [as_png(tmp_path / str(k), (picture(k) * factor).astype(np.uint16)) for k, factor in enumerate(brightness)]

    assert window_of(table(tmp_path, files)) is None


def test_the_number_type_of_synthetic_images_holds_the_values_of_all_files(tmp_path: Path) -> None:
    files = [as_int16(tmp_path / str(seed), mri(seed)) for seed in range(3)]
    files.append(as_float32(tmp_path / "share", mri(9) / 2000))

    facts = facts_of(table(tmp_path, files))

    assert facts.dtype == "float32"
    assert "files of several number types: int16 (3), float32 (1); synthetic ones hold float32" in facts.notes
