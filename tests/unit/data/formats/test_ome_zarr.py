"""OME-Zarr: which voxel lies where, what is refused, and that nothing in a file is run."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.factories import write_table

from gandlf_synth.data.formats.readers import UnreadableError, is_readable, read_image
from gandlf_synth.data.formats.readers.ome_zarr import OmeZarrReader
from gandlf_synth.data.formats.scan import scan_file
from gandlf_synth.data.inspection.checks import remarks
from gandlf_synth.data.table.construct import construct_csv
from gandlf_synth.data.table.layouts import detect_layout
from gandlf_synth.data.table.manifest import read_manifest

zarr = pytest.importorskip("zarr")
SPACE = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
CHANNEL, TIME = {"name": "c", "type": "channel"}, {"name": "t", "type": "time"}
VOXELS = np.arange(1, 5 * 6 * 7 + 1, dtype=np.int16).reshape(5, 6, 7)
"""z, y, x"""


def write(
    path: Path, array: np.ndarray = VOXELS, axes: Sequence[dict[str, Any]] = SPACE, version: int = 3, **about: Any
) -> Path:
    """Write an image with one resolution whose transformations, and what else there is, are in ``about``."""
    group = zarr.open_group(path, mode="w", zarr_format=version)
    group.create_array("0", data=array, chunks=tuple(min(length, 4) for length in array.shape))
    steps = about.pop("steps", [{"type": "scale", "scale": [1.0] * array.ndim}])
    image = {"axes": list(axes), "datasets": [{"path": "0", "coordinateTransformations": steps}], **about}
    group.attrs.update(
        {"ome": {"version": "0.5", "multiscales": [image]}} if version == 3 else {"multiscales": [image]}
    )
    return path


def refusal(path: Path | str) -> str:
    with pytest.raises(UnreadableError) as error:
        read_image(Path(path))
    return str(error.value.at("here"))


@pytest.mark.parametrize("version", [2, 3])
def test_spacing_and_translation_of_both_levels_in_their_order(tmp_path: Path, version: int) -> None:
    own = [{"type": "scale", "scale": [3, 2, 1]}, {"type": "translation", "translation": [30, 20, 10]}]
    all_levels = [{"type": "scale", "scale": [1000, 1000, 500]}]

    image = read_image(write(tmp_path / "a.zarr", version=version, steps=own, coordinateTransformations=all_levels))

    assert np.array_equal(image.array[0], VOXELS.T)
    assert image.dtype == "int16"
    assert image.geometry.physical
    assert image.geometry.spacing == pytest.approx((0.5, 2, 3))
    assert image.geometry.orientation == "LPS"
    assert image.geometry.affine[:3, 3] == pytest.approx([-5, -20, 30])


def test_axes_that_state_where_they_run(tmp_path: Path) -> None:
    ways = ("left-to-right", "superior-to-inferior", "posterior-to-anterior")  # of z, y, x
    axes = [
        {**axis, "orientation": {"type": "anatomical", "value": way}} for axis, way in zip(SPACE, ways, strict=True)
    ]

    assert read_image(write(tmp_path / "a.zarr", axes=axes)).geometry.orientation == "AIR"
    axes[0]["orientation"]["value"] = "anterior-to-posterior"
    assert "states the orientations" in refusal(write(tmp_path / "b.zarr", axes=axes))


def test_channels_pictures_and_images_without_a_unit(tmp_path: Path) -> None:
    two = np.stack([VOXELS, -VOXELS])
    image = read_image(write(tmp_path / "two.zarr", two, [CHANNEL, *SPACE]))
    picture = read_image(write(tmp_path / "picture.zarr", two[:, 0], [CHANNEL, *SPACE[1:]]))
    unplaced = read_image(write(tmp_path / "unplaced.zarr", axes=[{"name": name, "type": "space"} for name in "zyx"]))

    assert np.array_equal(image.array, two.transpose(0, 3, 2, 1))
    assert np.array_equal(picture.array, two[:, 0].transpose(0, 2, 1))
    assert not picture.geometry.physical
    assert not unplaced.geometry.physical


def test_a_point_in_time_is_chosen_and_never_guessed(tmp_path: Path) -> None:
    movie = write(tmp_path / "movie.zarr", np.stack([VOXELS, VOXELS + 1]), [TIME, *SPACE])
    still = write(tmp_path / "still.zarr", VOXELS[None], [TIME, *SPACE])

    assert np.array_equal(read_image(Path(f"{movie}#1")).array[0], (VOXELS + 1).T)
    assert np.array_equal(read_image(still).array[0], VOXELS.T)
    assert "holds 2 time points; allowed: one image per cell; choose one" in refusal(movie)
    assert "has no part #2: it holds 2 time points" in refusal(f"{movie}#2")


def test_chunks_that_are_missing_are_the_fill_value_and_check_says_how_many(tmp_path: Path) -> None:
    image = write(tmp_path / "a.zarr", version=2)
    whole = scan_file(image)
    (image / "0" / "0.0.0").unlink()

    scan = scan_file(image)

    assert (whole.remark, read_image(image).array[0, :4, :4, :4].any()) == ("", False)
    assert scan.remark.startswith("has 7 of 8 chunks; the others are read as 0: right where all of their voxels have")
    table = write_table(tmp_path / "data.csv", ("Channel_0",), [(str(image),)])
    (finding,) = remarks([read_manifest(table)], {image: scan})
    assert (finding.severity, finding.row, finding.what) == ("warning", 1, scan.remark)

    about = image / "0" / ".zarray"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"fill_value": None}))
    assert "has 7 of 8 chunks, and does not say what the others hold; allowed: all chunks" in refusal(image)


def test_labels_inside_an_image_are_read_by_the_name_of_their_folder(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr")
    labels = write(tmp_path / "a.zarr" / "labels" / "tumor", (VOXELS > 9).astype(np.uint8))

    assert is_readable(labels)
    assert read_image(labels).array.max() == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"axes": [{"name": name, "type": "space"} for name in "zyw"]}, "has the axes z (space), y (space), w (space)"),
        ({"axes": SPACE[1:]}, "for an array of 3"),
        ({"steps": [{"type": "affine", "affine": []}]}, "is placed by a transformation 'affine'"),
        (
            {"steps": [{"type": "scale", "scale": [1, 1]}]},
            "has a scale of [1, 1]; allowed: a number for each of 3 axes",
        ),
        ({"steps": [{"type": "scale", "scale": [1, 0, 1]}]}, "allowed: numbers above 0"),
        ({"array": np.zeros((3, 3, 3), np.complex64)}, "holds complex64 instead of numbers"),
        ({"array": np.zeros((3, 3, 3), np.int16)}, "has none of its 1 chunks, so that all voxels would be 0"),
    ],
)
def test_what_has_no_one_meaning_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    assert said in refusal(write(tmp_path / "a.zarr", **changes))


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"plate": {}}, "is a plate or a well; allowed: one image; name a field in it"),
        ({"bioformats2raw.layout": 3}, "is a collection; allowed: one image; name an image in it, as in cells.zarr/0"),
        ({}, "does not describe a multiscale image"),
    ],
)
def test_folders_of_several_images_are_named(tmp_path: Path, attributes: dict[str, Any], said: str) -> None:
    zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2, attributes=attributes)

    assert said in refusal(tmp_path / "a.zarr")


def test_a_folder_that_was_copied_in_part_or_is_too_large_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zarr", version=2)
    header = path / "0" / ".zarray"
    about = json.loads(header.read_text())
    header.write_text(json.dumps({**about, "shape": [10**6] * 3}))
    assert re.search(r"needs [0-9,]+ bytes of memory for \(1000000, 1000000, 1000000\)", refusal(path))

    header.unlink()
    assert "is damaged, or no OME-Zarr image" in refusal(path)


@pytest.mark.parametrize(("codec", "said"), [("pickle", "No Zarr data type found"), ("base64", "is coded by base64")])
def test_codecs_that_could_run_code_and_unknown_ones_are_refused_before_anything_is_decoded(
    tmp_path: Path, codec: str, said: str
) -> None:
    path = write(tmp_path / "a.zarr", version=2)
    header = path / "0" / ".zarray"
    about = json.loads(header.read_text())
    header.write_text(json.dumps({**about, "compressor": {"id": codec}}))

    assert said in refusal(path)


def test_every_chunk_decides_what_is_read(tmp_path: Path) -> None:
    files = {file.relative_to(tmp_path).as_posix() for file in OmeZarrReader().files(write(tmp_path / "a.zarr"))}

    assert {"a.zarr/zarr.json", "a.zarr/0/zarr.json", "a.zarr/0/c/0/0/0", "a.zarr/0/c/1/1/1"} <= files


def test_folders_count_as_files_in_a_csv_and_in_layouts(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for patient in ("p1", "p2"):
        write(root / patient / "scan.ome.zarr")

    report = construct_csv(root, (".ome.zarr",), "unlabeled", tmp_path / "out.csv", relative_paths=True)

    assert (report.rows, report.subjects) == (2, 2)
    assert "data/p1/scan.ome.zarr" in (tmp_path / "out.csv").read_text()
    assert detect_layout(root).endings == ("scan.ome.zarr",)
