"""check says everything at once, and preview shows what the network sees."""

import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from tests.factories import Cli, TableOf, TinyConfig, read_table, write_nifti, write_picture, write_table
from tests.opened import opened_files

from gandlf_synth.config import load_config


def findings(path: Path) -> list[tuple[str, str, int | None]]:
    return [(each["severity"], each["kind"], each["row"]) for each in json.loads(path.read_text())["findings"]]


def test_good_data_is_ready_and_its_cost_is_told(
    cli: Cli, pictures_table: Path, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"

    code, out, err = cli("check", "-c", tiny_config([8, 8]), "-dt", pictures_table, "-vr", "0.25", "--json", report)

    assert code == 0, err
    assert "Ready to train" in out
    facts = json.loads(report.read_text())["facts"]
    assert facts["images"] == "12 train, 4 val"
    assert {"one training step", "whole training", "memory", "weights"} <= set(facts)
    assert not (tmp_path / "checkpoints").exists()


def test_everything_wrong_is_said_at_once(
    cli: Cli, pictures_table: Path, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    rows = read_table(pictures_table)
    Path(rows[0]["Channel_0"]).write_bytes(b"")
    whole = Path(rows[1]["Channel_0"]).read_bytes()
    Path(rows[1]["Channel_0"]).write_bytes(whole[: len(whole) // 2])
    Path(rows[2]["Channel_0"]).unlink()
    shutil.copy(rows[4]["Channel_0"], rows[5]["Channel_0"])
    Image.open(rows[6]["Channel_0"]).rotate(1).save(rows[15]["Channel_0"])
    write_picture(Path(rows[7]["Channel_0"]), np.full((24, 18, 3), 7, np.uint8))
    config = tiny_config([8, 8])
    config.write_text(config.read_text() + "num_epoch: 3\n")
    report, clean, quarantine = (tmp_path / name for name in ("report.json", "clean.csv", "quarantine.csv"))

    code, out, _ = cli(
        "check",
        "-c",
        config,
        "-dt",
        pictures_table,
        "--json",
        report,
        "--write-clean",
        clean,
        "--quarantine",
        quarantine,
    )

    assert code == 3
    assert "This would stop a run" in out
    found = findings(report)
    assert ("error", "configuration", None) in found
    assert {row for severity, _, row in found if severity == "error"} == {None, 1, 2, 3}
    assert ("warning", "duplicate", 6) in found
    assert ("warning", "constant", 8) in found
    assert len(read_table(clean)) == len(rows) - 3
    assert {row["row"] for row in read_table(quarantine)} == {"1", "2", "3"}
    assert cli("check", "-c", tiny_config([8, 8]), "-dt", clean, "--fast")[0] == 0


def test_copies_across_splits_and_odd_volumes_are_named(
    cli: Cli, table_of: TableOf, volumes: Path, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    for index in range(6, 12):
        source = volumes / f"sub-{index - 6}"
        shutil.copytree(source, volumes / f"sub-{index}")
        for file in list((volumes / f"sub-{index}").iterdir()):
            file.rename(file.with_name(file.name.replace(f"sub-{index - 6}", f"sub-{index}")))
    odd = np.zeros((40, 40, 30), np.float32)
    odd[10:20] = 500
    write_nifti(volumes / "sub-11" / "sub-11_t1.nii.gz", odd, np.diag([0.5, 0.5, 0.5, 1]))
    lines = table_of(volumes, "_t1.nii.gz").read_text().splitlines()
    (tmp_path / "train.csv").write_text("\n".join([lines[0], *lines[1:7]]))
    (tmp_path / "test.csv").write_text("\n".join([lines[0], *lines[7:]]))
    report = tmp_path / "report.json"

    code, _, err = cli(
        "check", "-c", tiny_config([8, 8, 8]), "-dt", tmp_path / "train.csv", "-t-csv", tmp_path / "test.csv",
        "--json", report,
    )  # fmt: skip

    assert code == 0, err
    kinds = [kind for _, kind, _ in findings(report)]
    assert "duplicate across splits" in kinds
    assert "unusual size" in kinds
    assert "unusual voxel size" in kinds


def test_a_copy_across_splits_is_named_however_many_copies_there_are_within_one(
    cli: Cli, pictures_table: Path, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    rows = read_table(pictures_table)
    for row in rows[1:12]:
        shutil.copy(rows[0]["Channel_0"], row["Channel_0"])
    shutil.copy(rows[13]["Channel_0"], rows[15]["Channel_0"])
    lines = pictures_table.read_text().splitlines()
    (tmp_path / "train.csv").write_text("\n".join(lines[:15]))
    (tmp_path / "test.csv").write_text("\n".join([lines[0], *lines[15:]]))
    report = tmp_path / "report.json"

    cli(
        "check",
        "-c",
        tiny_config([8, 8]),
        "-dt",
        tmp_path / "train.csv",
        "-t-csv",
        tmp_path / "test.csv",
        "--json",
        report,
    )

    kinds = [kind for _, kind, _ in findings(report)]
    assert kinds.count("duplicate") == 11
    assert "duplicate across splits" in kinds


def test_tables_that_do_not_fit_each_other_are_a_finding(
    cli: Cli, pictures_table: Path, volumes: Path, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    other = tmp_path / "volumes.csv"
    cli("construct-csv", "-i", volumes, "-ch", "_t1.nii.gz,_t2.nii.gz", "-l", "unlabeled", "-o", other)

    code, out, _ = cli("check", "-c", tiny_config([8, 8]), "-dt", other, "-t-csv", pictures_table)

    assert code == 3
    assert "different numbers of channel columns" in out


def test_preview_shows_files_and_what_becomes_of_them(
    cli: Cli, pictures_table: Path, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    config = tiny_config([8, 8], "data_augmentation: [{flip: {axis: [0], probability: 1}}]\n")

    code, out, err = cli("preview", "-c", config, "-dt", pictures_table, "-o", tmp_path / "seen", "-n", 3)

    assert code == 0, err
    picture = Image.open(out.strip())
    assert picture.width > 5 * 120
    assert picture.height > 3 * 120
    resolved = load_config(tmp_path / "seen" / "resolved_config.yaml").config
    assert resolved.model.tensor_shape == [8, 8]


def test_a_folder_that_is_not_there_is_one_sentence_and_one_reading_of_the_csv(
    cli: Cli, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "data.csv", ["Channel_0"], [[tmp_path / f"drive/{row}/a.png"] for row in range(50)])
    report = tmp_path / "report.json"

    with opened_files() as opened:
        code, _, _ = cli("check", "-c", tiny_config([8, 8]), "-dt", table, "--json", report)

    assert code == 3
    assert opened.count(str(table)) == 1
    first, *rest = json.loads(report.read_text())["findings"]
    wanted = f"none of the 50 files exists; the nearest folder that does is {tmp_path}; is {tmp_path}/drive mounted?"
    assert first["what"] == wanted
    assert [each["row"] for each in rest] == list(range(1, 51))
