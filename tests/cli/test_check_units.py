"""check finds images in another unit than the rest, and reads classes that are only named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.factories import Array, Cli, TinyConfig, blob_picture, write_nifti, write_picture, write_table


def report_of(cli: Cli, config: Path, table: Path, *options: object) -> tuple[int, dict[str, Any]]:
    report = table.with_suffix(".json")
    code, _, _ = cli("check", "--fast", "-c", config, "-dt", table, "--json", report, *options)
    return code, json.loads(report.read_text())


def ct(seed: int) -> Array:
    values = np.full((12, 12, 12), -1000.0)
    values[2:10, 2:10] = np.random.default_rng(seed).normal(40, 25, (8, 8, 12))
    return values.round()


def test_the_unit_and_its_evidence_are_told(cli: Cli, tiny_config: TinyConfig, tmp_path: Path) -> None:
    types = (np.int16, np.float32, np.float64, np.int32)
    files = [write_nifti(tmp_path / f"{k}.nii.gz", ct(k).astype(kind)) for k, kind in enumerate(types)]

    code, report = report_of(
        cli, tiny_config([8, 8, 8]), write_table(tmp_path / "a.csv", ["Channel_0"], [[f] for f in files])
    )

    assert code == 0
    assert "4 of 4 images have air near -1000 and soft tissue near 40 HU" in report["facts"]["data_preprocessing"]


@pytest.mark.parametrize("written", [False, True], ids=["chosen", "written"])
def test_an_image_in_another_unit_is_found_by_row(
    cli: Cli, tiny_config: TinyConfig, tmp_path: Path, written: bool
) -> None:
    volumes = [ct(k) for k in range(5)]
    volumes[2] = np.abs(volumes[2]) + 500
    files = [write_nifti(tmp_path / f"{k}.nii.gz", values.astype(np.float32)) for k, values in enumerate(volumes)]
    step = "data_preprocessing: [{rescale: {percentiles: [1, 99]}}]" if written else ""

    table = write_table(tmp_path / "a.csv", ["Channel_0"], [[f] for f in files])
    code, report = report_of(cli, tiny_config([8, 8, 8], step), table)

    (finding,) = [each for each in report["findings"] if "Hounsfield" in each["what"]]
    assert (finding["row"], finding["severity"]) == (3, "warning" if written else "error")
    assert code == (0 if written else 3)


@pytest.mark.parametrize("odd", [lambda p: p.astype(np.uint16) * 257, lambda p: p.astype(np.uint16) * 16])
def test_pictures_of_other_bits_are_found_by_row(
    cli: Cli, tiny_config: TinyConfig, tmp_path: Path, odd: Callable[[Array], Array]
) -> None:
    pictures = [blob_picture(16, k) for k in range(6)]
    pictures[3] = odd(pictures[3])
    files = [write_picture(tmp_path / f"{k}.png", picture) for k, picture in enumerate(pictures)]

    code, report = report_of(
        cli, tiny_config([8, 8]), write_table(tmp_path / "a.csv", ["Channel_0"], [[f] for f in files])
    )

    assert code == 3
    assert [each["row"] for each in report["findings"] if each["severity"] == "error"] == [4]


@pytest.mark.parametrize("step", ["{rescale: {in_min_max: [0, 255]}}", "{clip: {max: 255}}"])
@pytest.mark.parametrize(("bits", "told"), [(8, False), (16, True)])
def test_a_window_for_another_number_of_bits_is_told(
    cli: Cli, tiny_config: TinyConfig, tmp_path: Path, step: str, bits: int, told: bool
) -> None:
    factor = np.uint16(257) if bits == 16 else np.uint8(1)
    files = [write_picture(tmp_path / f"{k}.png", blob_picture(16, k) * factor) for k in range(6)]
    table = write_table(tmp_path / "a.csv", ["Channel_0"], [[f] for f in files])

    code, report = report_of(cli, tiny_config([8, 8], f"data_preprocessing: [{step}]"), table)

    windows = [each["what"] for each in report["findings"] if each["kind"] == "window"]
    assert code == 0
    assert bool(windows) is told
    assert not told or "most of every image is cut off" in windows[0]


def test_named_classes_of_a_validation_csv_are_those_of_training(
    cli: Cli, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    files = [write_picture(tmp_path / f"{k}.png", blob_picture(16, k)) for k in range(8)]
    classes = ["benign", "healthy", "tumour"]
    train = write_table(tmp_path / "a.csv", ["image", "Label"], [[f, classes[k % 3]] for k, f in enumerate(files[:6])])
    val = write_table(tmp_path / "v.csv", ["image", "Label"], [[files[6], "tumour"], [files[7], "healthy"]])

    code, report = report_of(cli, tiny_config([8, 8]), train, "-v-csv", val)

    assert code == 0, report
    assert "0 benign, 1 healthy, 2 tumour" in report["facts"]["CSV"]
    assert "0 healthy" not in report["facts"]["CSV"]
    assert "column 'image' is read as Channel_0" in report["facts"]["CSV"]
    write_table(val, ["image", "Label"], [[files[6], "tumor"]])
    code, report = report_of(cli, tiny_config([8, 8]), train, "-v-csv", val)
    assert code == 3
    assert "does not occur in" in str(report["findings"])
