"""CSVs of tar shards as WebDataset writes them: files of one key are a sample, with its class and what JSON says."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from tests.factories import Cli, pack, read_table

from gandlf_synth.config import LabelingParadigm
from gandlf_synth.data.table.construct import ConstructReport, construct_csv
from gandlf_synth.data.table.manifest import read_manifest
from gandlf_synth.errors import DataError


def png(seed: int = 0) -> bytes:
    stream = BytesIO()
    Picture.fromarray(np.random.default_rng(seed).integers(0, 255, (16, 16), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def facts(**entries: Any) -> bytes:
    return json.dumps(entries).encode()


def construct(root: Path, endings: tuple[str, ...] | None = None, kind: LabelingParadigm = "custom") -> ConstructReport:
    return construct_csv(root, endings, kind, root.parent / "out.csv", relative_paths=True, overwrite=True)


def rows(root: Path) -> list[dict[str, str]]:
    return read_table(root.parent / "out.csv")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "shards"
    folder.mkdir()
    return folder


def test_a_row_for_each_key_with_its_class_and_what_its_json_says(root: Path) -> None:
    for shard in range(2):
        files: dict[str, bytes] = {}
        for key in range(3):
            about = facts(SubjectID=f"p{shard}", Age=40 + key, report="two\nlines", box=[1, 2])
            files |= {
                f"{key}.png": png(10 * shard + key),
                f"{key}.cls": str(7 * (key % 2)).encode(),
                f"{key}.json": about,
            }
        pack(root / f"shard-{shard}.tar", files)

    report = construct(root)

    assert (report.rows, report.subjects, report.classes) == (6, 2, {"0": 4, "7": 2})
    first, second = rows(root)[:2]
    assert first == {
        "SubjectID": "p0", "Channel_0": "shards/shard-0.tar#0.png", "Label": "0", "LabelMapping": "0", "Age": "40",
        "report": "two lines",
    }  # fmt: skip
    assert second["Label"] == "7", "the shards' own numbers are kept"
    manifest = read_manifest(root.parent / "out.csv")
    assert manifest.extra_columns == ("Age", "report")
    assert manifest.labels == {0: "0", 7: "7"}


def test_channels_masks_and_names_of_classes(root: Path) -> None:
    files: dict[str, bytes] = {}
    for case, name in (("a", "tumor"), ("b", "healthy")):
        files |= {f"{case}.t1.png": png(1), f"{case}.t2.png": png(2), f"{case}.json": facts(label=name)}
    pack(root / "shard.tar", files)

    construct(root, (".t1.png", ".t2.png"))

    assert [(row["Channel_1"], row["Label"], row["LabelMapping"]) for row in rows(root)] == [
        ("shards/shard.tar#a.t2.png", "1", "tumor"),
        ("shards/shard.tar#b.t2.png", "0", "healthy"),
    ]


def test_an_ending_that_is_the_whole_extension_leaves_longer_ones_alone(root: Path) -> None:
    pack(root / "shard.tar", {"a.png": png(1), "a.seg.png": png(2), "b.png": png(3)})

    assert construct(root, (".png",), "unlabeled").rows == 2
    with pytest.raises(DataError, match=r"2 kinds of images: .png \(2\), .seg.png \(1\)"):
        construct(root, None, "unlabeled")


def test_keys_that_several_shards_use_stay_different_subjects(root: Path) -> None:
    for shard in "xy":
        pack(root / f"{shard}.tar", {"0.png": png(ord(shard))})

    report = construct(root, kind="unlabeled")

    assert [row["SubjectID"] for row in rows(root)] == ["x/0", "y/0"]
    assert any("subject of its own" in note for note in report.warnings)


def test_what_is_wrong_with_shards_is_said_at_once(root: Path) -> None:
    files = {"a.t1.png": png(), "b.t1.png": png(), "b.t2.png": png(), "a.cls": b"1", "b.json": b"{"}
    pack(root / "shard.tar", files)

    with pytest.raises(DataError) as error:
        construct(root, (".t1.png", ".t2.png"))

    message = str(error.value)
    assert "shard.tar#a: has no file for '.t2.png'" in message
    assert "shard.tar#b.json: is no JSON in UTF-8" in message
    assert "1 sample of the shards have no class: b" in message


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"a.png": png(), "a.cls": b"1", "a.json": facts(Label=2)},
            "gives the class '2', and another file of the sample '1'",
        ),
        (
            {
                "a.png": png(),
                "a.json": facts(label=1, LabelMapping="x"),
                "b.png": png(),
                "b.json": facts(label=2, LabelMapping="x"),
            },
            "number their classes in several ways: 'x' is 1, 'x' is 2",
        ),
    ],
)
def test_contradicting_classes_are_refused(root: Path, files: dict[str, bytes], said: str) -> None:
    pack(root / "shard.tar", files)

    with pytest.raises(DataError, match=said):
        construct(root)


def test_images_beside_a_shard_are_found_as_ever(root: Path) -> None:
    pack(root / "backup.tar", {"a.png": png()})
    (root / "p1").mkdir()
    (root / "p1" / "scan.png").write_bytes(png())

    construct(root, (".png",), "unlabeled")

    assert [row["Channel_0"] for row in rows(root)] == ["shards/p1/scan.png"]


def test_init_makes_a_project_of_shards_with_classes(cli: Cli, root: Path, tmp_path: Path) -> None:
    pack(
        root / "s.tar",
        {f"{k}{end}": png(k) if end == ".png" else b"%d" % (k % 2) for k in range(6) for end in (".png", ".cls")},
    )

    code, _, err = cli("init", root, "-o", tmp_path / "project")

    assert code == 0, err
    assert [row["Label"] for row in read_table(tmp_path / "project" / "data.csv")] == ["0", "1"] * 3
