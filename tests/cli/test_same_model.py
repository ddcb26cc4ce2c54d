"""A model that was trained again elsewhere is the same model, and its images are the same files."""

import json
import shutil
from pathlib import Path

from tests.factories import Cli, TinyConfig, read_table, write_table

FORMATS = ("png", "nifti", "tiff")


def test_two_trainings_with_one_seed_give_the_same_files_in_two_places(
    cli: Cli, pictures: Path, pictures_table: Path, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    rows, other = read_table(pictures_table), tmp_path / "another" / "place"
    shutil.copytree(pictures, other / "images")
    moved = [[str(value).replace(str(pictures), str(other / "images")) for value in row.values()] for row in rows]
    table = write_table(other / "rows.csv", list(rows[0]), moved)
    config = tiny_config([8, 8])

    folders = []
    for csv, model in ((pictures_table, tmp_path / "model"), (table, other / "model")):
        words = ("-c", config, "-dt", csv, "-m-dir", model, "--set", f"cache_dir={model.parent / 'own cache'}")
        assert cli("train", *words)[0] == 0
        for name in FORMATS:
            code, out, err = cli("generate", "-m-dir", model, "-n", 3, "--format", name)
            assert code == 0, err
            folders.append(Path(out.strip()))

    here, there = ({(folder.name, path.name): path.read_bytes() for folder in half
                    for path in folder.glob("generated_image*")} for half in (folders[: len(FORMATS)], folders[len(FORMATS) :]))  # fmt: skip
    assert len(here) >= 2 * 3 * len(FORMATS)
    assert here == there


def test_images_name_the_weights_of_their_checkpoint_also_after_export(
    cli: Cli, pictures_model: Path, tmp_path: Path
) -> None:
    code, out, err = cli("generate", "-m-dir", pictures_model, "-n", 1)
    assert code == 0, err
    sidecar = next(Path(out.strip()).glob("generated_image*.json"))
    assert cli("export", "-m-dir", pictures_model, "-o", tmp_path / "package")[0] == 0

    weights = json.loads(sidecar.read_text())["weights_sha256"]
    for file in (pictures_model / "checkpoints" / "last.ckpt", tmp_path / "package" / "model.safetensors"):
        code, out, err = cli("doctor", file)
        assert code == 0, err
        assert weights in out
