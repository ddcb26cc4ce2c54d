"""Whole-slide images: patches where there is tissue, at the magnification that was asked for."""

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile

from gandlf_synth.data.formats.readers import UnreadableError, read_image
from gandlf_synth.data.table.construct import construct_csv
from gandlf_synth.data.table.slide_tiles import TileGrid
from gandlf_synth.errors import ConfigError, DataError

pytest.importorskip("tiffslide")

ABOUT = "Aperio Image Library v10\n1200x800 [0,0 1200x800] (256x256) |AppMag = 20|MPP = 0.5"


def write_slide(path: Path, tissue: bool = True, about: str = ABOUT) -> np.ndarray:
    """A violet rectangle on glass, at 20x, with a level at 5x."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((800, 1200, 3), 243, np.uint8)
    if tissue:
        ramp = np.linspace(0, 60, 600).astype(np.uint8)
        pixels[200:600, 400:1000] = np.stack([150 + ramp, 60 + ramp // 2, 140 + ramp], -1)
    with tifffile.TiffWriter(path) as file:
        for step in (1, 4):
            level = pixels[::step, ::step]
            file.write(level, tile=(256, 256), photometric="rgb", compression="deflate", metadata=None,
                       description=about if step == 1 else None, subfiletype=int(step > 1))  # fmt: skip
    return pixels


def test_a_patch_is_what_the_slide_shows_there(tmp_path: Path) -> None:
    pixels = write_slide(tmp_path / "a.svs")

    full = read_image(tmp_path / "a.svs#390,190,64,20")
    coarse = read_image(tmp_path / "a.svs#400,200,64,5")

    assert np.array_equal(full.array, pixels[190:254, 390:454].transpose(2, 1, 0))
    assert np.abs(coarse.array - pixels[200:456:4, 400:656:4].transpose(2, 1, 0)).max() <= 4
    assert coarse.dtype == "uint8"


@pytest.mark.parametrize(
    ("part", "message"),
    [("", "is a whole slide of 1,200 × 800"), ("#0,0,64,40", r"scanned at 20×, not 40×"), ("#1180,0,64,20", "no such patch"),
     ("#tumour", "names no patch"), ("#0,0,0,20", "no such patch")],
)  # fmt: skip
def test_what_cannot_be_read_of_a_slide(tmp_path: Path, part: str, message: str) -> None:
    write_slide(tmp_path / "a.svs")

    with pytest.raises(UnreadableError, match=message):
        read_image(tmp_path / f"a.svs{part}")


def test_patches_lie_on_tissue(tmp_path: Path) -> None:
    write_slide(tmp_path / "in" / "p1" / "a.svs")
    write_slide(tmp_path / "in" / "p2" / "b.svs")

    report = construct_csv(tmp_path / "in", [".svs"], "unlabeled", tmp_path / "a.csv", tiles=TileGrid(32, 10, 0.9))

    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    parts = [row["Channel_0"].rpartition("#")[2] for row in rows if row["SubjectID"] == "p1"]
    corners = {tuple(int(value) for value in part.split(",")[:2]) for part in parts}
    assert report.subjects == 2
    assert corners == {(x, y) for x in range(448, 960, 64) for y in range(256, 576, 64)} | {
        (x, y) for x in range(448, 960, 64) for y in (192,) if (256 - 200) / 64 >= 0.9
    }
    assert all(read_image(Path(row["Channel_0"])).array.shape == (3, 32, 32) for row in rows[:3])


def test_a_slide_of_glass_and_several_endings_are_refused(tmp_path: Path) -> None:
    write_slide(tmp_path / "in" / "a.svs", tissue=False)

    with pytest.raises(DataError, match="no slide has tissue"):
        construct_csv(tmp_path / "in", [".svs"], "unlabeled", tmp_path / "a.csv", tiles=TileGrid(32, 10))
    with pytest.raises(ConfigError, match="one, for slides to cut"):
        construct_csv(tmp_path / "in", [".svs", ".tif"], "unlabeled", tmp_path / "a.csv", tiles=TileGrid(32, 10))


def test_a_slide_that_states_no_scale(tmp_path: Path) -> None:
    write_slide(tmp_path / "a.tif", about="nothing")

    with pytest.raises(UnreadableError, match="neither objective power nor micrometres"):
        read_image(tmp_path / "a.tif#0,0,64,10")
