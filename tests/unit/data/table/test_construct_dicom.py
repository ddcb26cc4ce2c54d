"""construct-csv in trees of DICOM files."""

import csv
from pathlib import Path

import pytest
from tests.factories import write_series

from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.table.construct import construct_csv
from gandlf_synth.data.table.manifest import read_manifest
from gandlf_synth.errors import DataError


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


def test_a_series_is_one_image(tmp_path: Path) -> None:
    for subject in ("b", "a"):
        write_series(tmp_path / "in" / subject)

    report = construct_csv(tmp_path / "in", [".dcm"], "unlabeled", tmp_path / "a.csv", relative_paths=True)

    assert rows_of(tmp_path / "a.csv") == [{"SubjectID": name, "Channel_0": f"in/{name}"} for name in "ab"]
    assert (report.rows, report.subjects) == (2, 2)
    manifest = read_manifest(tmp_path / "a.csv")
    assert read_image(manifest.samples[0].channels[0]).array.shape == (1, 7, 6, 5)


def test_series_folders_are_channels(tmp_path: Path) -> None:
    for patient in ("p1", "p2"):
        for series in ("t1", "t1ce", "post_t1"):
            write_series(tmp_path / "in" / "tumour" / patient / series)

    construct_csv(tmp_path / "in", ["t1ce/", "post_t1/"], "custom", tmp_path / "a.csv")

    first = rows_of(tmp_path / "a.csv")[0]
    assert first["SubjectID"] == "p1"
    assert first["LabelMapping"] == "tumour"
    assert [Path(first[f"Channel_{index}"]).name for index in (0, 1)] == ["t1ce", "post_t1"]


def test_several_series_in_a_folder_are_listed(tmp_path: Path) -> None:
    write_series(tmp_path / "in" / "p1", number=3)
    write_series(tmp_path / "in" / "p1", number=5, seed=1)

    with pytest.raises(DataError, match=r"p1: holds 2 series: #3 .*, #5 .*one series per folder"):
        construct_csv(tmp_path / "in", [".dcm"], "unlabeled", tmp_path / "a.csv")


def test_single_images_stay_files(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write_series(tmp_path / "in", 1, number=number)

    construct_csv(tmp_path / "in", [".dcm"], "unlabeled", tmp_path / "a.csv")

    assert [Path(row["Channel_0"]).name for row in rows_of(tmp_path / "a.csv")] == [
        "1-IM0.dcm",
        "2-IM0.dcm",
        "3-IM0.dcm",
    ]
