"""Contact sheets: where tiles lie, how large they are, and what is written."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from gandlf_synth.display import SheetRow, contact_sheet, save_png
from gandlf_synth.errors import ResourceError

BLACK = np.zeros((8, 8), np.uint8)
RED = np.full((8, 8, 3), (255, 0, 0), np.uint8)


def black_boxes(sheet: Picture.Image, colour: tuple[int, int, int] = (0, 0, 0)) -> int:
    """Return the number of pixels of exactly ``colour``."""
    return int((np.asarray(sheet) == colour).all(axis=-1).sum())


def test_small_images_are_enlarged_by_a_whole_factor() -> None:
    pattern = np.array([[0, 255], [100, 200]], np.uint8)
    sheet = np.asarray(contact_sheet([SheetRow("", [pattern])], tile=9))[..., 0]
    assert (sheet == 100).sum() == 16, "two pixels fit four times into nine"


def test_images_of_a_row_have_one_scale() -> None:
    sheet = contact_sheet([SheetRow("", [BLACK, np.full((32, 16), 50, np.uint8)])], tile=64)
    assert black_boxes(sheet) == 4 * 64
    assert black_boxes(sheet, (50, 50, 50)) == 4 * 32 * 16


def test_all_rows_of_a_sheet_have_one_scale() -> None:
    """A row of small images beside one of large ones says how small they are."""
    rows = [SheetRow("", [np.full((16, 16), 255, np.uint8)]), SheetRow("", [np.zeros((48, 48), np.uint8)])]
    sheet = np.asarray(contact_sheet(rows, tile=96))[..., 0]
    assert (sheet == 0).sum() == 96 * 96
    assert sheet.shape[0] == 96 + 32 + 4 * 2


def test_tiles_are_separate_and_rows_are_below_each_other() -> None:
    sheet = contact_sheet([SheetRow("", [RED, RED]), SheetRow("", [RED])], tile=8)
    red = (np.asarray(sheet) == (255, 0, 0)).all(axis=-1)
    assert red.sum() == 3 * 64
    assert [sum(red.any(axis=0)), sum(red.any(axis=1))] == [16, 16]
    assert np.asarray(sheet)[0, 0].tolist() == [255, 255, 255]


def test_grey_and_colour_mix() -> None:
    sheet = contact_sheet([SheetRow("", [BLACK, RED])], tile=8)
    assert (black_boxes(sheet), black_boxes(sheet, (255, 0, 0))) == (64, 64)


def test_a_long_row_goes_on_in_the_next_line() -> None:
    sheet = contact_sheet([SheetRow("", [RED] * 30)], tile=8)
    assert black_boxes(sheet, (255, 0, 0)) == 30 * 64
    assert sheet.width < 13 * 12
    assert sheet.height >= 3 * 8


def test_large_images_are_made_smaller() -> None:
    sheet = contact_sheet([SheetRow("", [np.zeros((2000, 1000), np.uint8)])])
    assert 256 <= sheet.height < 300
    assert 128 <= sheet.width < 170


def test_a_large_tile_keeps_large_images() -> None:
    assert contact_sheet([SheetRow("", [np.zeros((500, 500), np.uint8)])], tile=512).height >= 500


def test_titles_make_room_for_themselves() -> None:
    plain = contact_sheet([SheetRow("", [RED])])
    named = contact_sheet([SheetRow("glioma", [RED])])
    headed = contact_sheet([SheetRow("", [RED])], title="synthetic")
    assert named.width > plain.width
    assert headed.height > plain.height
    assert black_boxes(named) > 0
    assert black_boxes(headed) > 0


def test_long_and_broken_titles_are_cut() -> None:
    long = contact_sheet([SheetRow("x" * 500, [RED])], title="two\nlines")
    assert long.width < 600
    assert contact_sheet([SheetRow("two\nlines – größer 脳", [RED])]).width > 96


@pytest.mark.parametrize("rows", [[], [SheetRow("", [])], [SheetRow("none", [])]])
def test_nothing_to_show_is_still_a_picture(rows: list[SheetRow]) -> None:
    assert min(contact_sheet(rows).size) > 0


def test_the_png_holds_the_same_pixels(tmp_path: Path) -> None:
    sheet = contact_sheet([SheetRow("a", [RED])])
    path = tmp_path / "new" / "sheet.png"
    save_png(sheet, path)
    np.testing.assert_array_equal(np.asarray(Picture.open(path)), np.asarray(sheet))
    assert [file.name for file in path.parent.iterdir()] == ["sheet.png"]


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "sheet.png").mkdir()
    with pytest.raises(ResourceError, match=r"sheet\.png: cannot be written"):
        save_png(contact_sheet([]), tmp_path / "sheet.png")
