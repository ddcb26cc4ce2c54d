"""Terminals, disks and pipes that take less than one would like: a message and an exit code, never a traceback."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.factories import Cli, TinyConfig

from gandlf_synth.errors import ResourceError
from gandlf_synth.files import new_folder

LITTLE = 4096
"""Bytes that a file may have."""


def run(command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell in which ``gandlf-synth`` is the program."""
    text = command.replace("gandlf-synth", f"{sys.executable} -m gandlf_synth")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", text], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("command", "variables", "code"),
    [
        ("gandlf-synth config explain a | head -1", {}, {0, 1, 141}),
        ("gandlf-synth models >/dev/full", {}, {7}),
        ("gandlf-synth models >&-", {}, {0}),
        ("gandlf-synth models 2>&-", {}, {0}),
        ("gandlf-synth config show -c ünreal.yaml", {"PYTHONIOENCODING": "ascii"}, {2}),
    ],
)
def test_outputs_that_are_closed_full_or_know_few_letters(
    command: str, variables: dict[str, str], code: set[int]
) -> None:
    ended = run(command, **variables)

    assert ended.returncode in code, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


def test_check_shows_its_table_on_a_terminal_that_knows_ascii_only(
    cli: Cli, pictures_table: Path, tiny_config: TinyConfig
) -> None:
    table = pictures_table.read_text(encoding="utf-8")
    pictures_table.write_text(table.replace(",benign\n", ",bénigne\n"), encoding="utf-8")

    ended = run(
        f"gandlf-synth check --fast -c {tiny_config([8, 8])} -dt {pictures_table}", PYTHONIOENCODING="ascii", LC_ALL="C"
    )

    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert r"b\xe9nigne" in ended.stdout


@contextmanager
def little_room(size: int) -> Iterator[None]:
    """Let no file of this process grow larger than ``size`` bytes, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_nothing_of_an_export(cli: Cli, pictures_model: Path, tmp_path: Path) -> None:
    target = tmp_path / "whole"
    assert cli("export", "-m-dir", pictures_model, "-o", target)[0] == 0
    whole = (target / "model.safetensors").stat().st_size
    before = sorted(tmp_path.iterdir())

    for size, words in ((LITTLE, ()), (whole + 100, ("--format", "torchscript"))):
        with little_room(size):
            code, _, err = cli("export", "-m-dir", pictures_model, "-o", tmp_path / "export", *words)

        assert code == 7, err
        assert f"{tmp_path / 'export'}/" in err
        assert "cannot be written: " in err
        assert sorted(tmp_path.iterdir()) == before


def test_of_two_exports_into_one_folder_one_is_refused(cli: Cli, pictures_model: Path, tmp_path: Path) -> None:
    target = tmp_path / "export"
    with new_folder(target, "output folder") as mine:
        (mine / "README.md").write_text("mine")
        code, _, err = cli("export", "-m-dir", pictures_model, "-o", target)
        assert code == 0, err
        (target / "README.md").write_text("theirs")
        for file in target.iterdir():
            if file.name != "README.md":
                file.unlink()
        with pytest.raises(Exception, match="is not empty"), new_folder(target, "output folder"):
            pass
        (target / "README.md").unlink()

    assert (target / "README.md").read_text() == "mine"
    assert cli("export", "-m-dir", pictures_model, "-o", target)[0] == 2


@pytest.mark.parametrize(
    "words",
    [
        ("generate", "-m-dir", "MODEL", "-n", 1, "-i-dir", "/proc/no"),
        ("export", "-m-dir", "MODEL", "-o", "/proc/no"),
        ("train", "-c", "CONFIG", "-dt", "TABLE", "-m-dir", "/proc/no"),
        ("init", "TABLE", "-o", "/proc/no"),
        ("preview", "-c", "CONFIG", "-dt", "TABLE", "-o", "/proc/no"),
        ("evaluate", "-r", "TABLE", "-s", "TABLE", "-o", "/proc/no"),
        ("construct-csv", "-i", "FOLDER", "-ch", ".png", "-l", "unlabeled", "-o", "/proc/no/x.csv"),
        ("check", "--fast", "-c", "CONFIG", "-dt", "TABLE", "--json", "/proc/no.json"),
        ("schema", "-o", "/proc/no.json"),
        ("new-model", "mine", "-o", "/proc/no"),
        ("demo", "-o", "/proc/no"),
    ],
    ids=lambda words: words[0],
)
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody can write into")
def test_a_place_that_cannot_be_written_is_named(
    cli: Cli, pictures_model: Path, pictures: Path, pictures_table: Path, tmp_path: Path, words: tuple[object, ...]
) -> None:
    places = {
        "MODEL": pictures_model, "CONFIG": tmp_path / "config.yaml", "TABLE": pictures_table, "FOLDER": pictures,
    }  # fmt: skip

    code, _, err = cli(*(places.get(str(word), word) for word in words))

    assert code == 7, err
    assert "/proc/no" in err
    assert "cannot be" in err


def test_what_went_wrong_in_the_block_is_not_taken_for_the_disk(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), new_folder(tmp_path / "x", "folder"):
        raise ValueError("mine")
    with pytest.raises(ResourceError, match="No space left"), new_folder(tmp_path / "x", "folder"):
        raise OSError(28, "No space left on device")

    assert list(tmp_path.iterdir()) == []
