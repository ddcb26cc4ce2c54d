"""What is downloaded together holds everything that belongs to it, and nothing hidden."""

import zipfile
from pathlib import Path

from gandlf_synth.app.archive import write_archive
from gandlf_synth.files import write_text


def test_images_go_with_their_tables_and_the_command_that_repeats_them(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    for name in ("series/1.dcm", "series/2.dcm", "inference_logs/images.csv", ".lock"):
        write_text(folder / name, name)

    archive = write_archive(tmp_path / "all.zip", folder, "gandlf-synth generate")
    write_text(folder / "later.txt", "not there any more")

    assert write_archive(tmp_path / "all.zip", folder) == archive
    with zipfile.ZipFile(archive) as content:
        assert content.namelist() == [
            "images/inference_logs/images.csv", "images/series/1.dcm", "images/series/2.dcm", "images/command.txt",
        ]  # fmt: skip
        assert content.read("images/command.txt") == b"gandlf-synth generate\n"
