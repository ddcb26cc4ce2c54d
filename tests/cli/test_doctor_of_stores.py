"""``doctor`` of synthetic images in a store and in pictures: as they were made, or which one was changed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture
from PIL import PngImagePlugin
from tests.factories import Cli, TableOf, TinyConfig, blob_picture, write_picture


@pytest.fixture
def model(cli: Cli, tiny_config: TinyConfig, table_of: TableOf, tmp_path: Path) -> Path:
    for number in range(6):
        write_picture(tmp_path / "images" / f"s{number}" / "a.png", blob_picture(12, number))
    words = ("-c", tiny_config([12, 12]), "-dt", table_of(tmp_path / "images"), "-m-dir", tmp_path / "model")
    code, _, err = cli("train", *words)
    assert code == 0, err
    return tmp_path / "model"


def test_a_changed_byte_of_a_store_or_a_picture_is_found(cli: Cli, model: Path, tmp_path: Path) -> None:
    made = {}
    for kind in ("store", "png"):
        code, out, err = cli("generate", "-m-dir", model, "-n", 3, "--format", kind, "-i-dir", tmp_path / kind)
        assert code == 0, err
        made[kind] = Path(out.strip())
        code, out, _ = cli("doctor", made[kind])
        assert code == 0, out
    code, out, _ = cli("doctor", made["store"])
    assert "images.store holds 3 images, all as their checksums say" in out

    (shard,) = made["store"].rglob("shards/*.bin")
    content = bytearray(shard.read_bytes())
    content[10] ^= 1
    shard.write_bytes(content)
    code, out, _ = cli("doctor", made["store"])
    assert code == 3, out
    assert "images.store was changed: image 0" in out

    picture = made["png"] / "generated_image_1.png"
    with Picture.open(picture) as opened:
        pixels, marks = np.asarray(opened).copy(), PngImagePlugin.PngInfo()
        for key, text in opened.info.items():
            marks.add_itxt(key, text)
    pixels[0, 0] ^= 1
    Picture.fromarray(pixels).save(picture, pnginfo=marks)
    code, out, _ = cli("doctor", made["png"])
    assert code == 3, out
    assert "NOT OK  generated_image_1.png was changed: its pixels are not those that were made" in out
