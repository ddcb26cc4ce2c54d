"""Small real files in the layouts that users have, and the command line as a function."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gandlf_synth.cli.main import main
from tests.browser import running
from tests.factories import TINY, Cli, TableOf, TinyConfig, blob, write_nifti, write_picture
from tests.processes import families_in_turn, started


def pytest_report_header() -> str:
    return f"families killed and resumed by the quick tests of this commit: {', '.join(families_in_turn())}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANDLF_SYNTH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that other users may look into; those of pytest are closed to them."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(autouse=True)
def _no_process_outlives_its_test() -> Iterator[None]:
    yield
    while started:
        process = started.pop()
        process.kill()
        process.wait(60)


@pytest.fixture(scope="module")
def running_browser() -> Iterator[Any]:
    yield from running()


@pytest.fixture
def browser(running_browser: Any) -> Iterator[Any]:
    """A browser that must have nothing to complain of at the end of the test."""
    yield running_browser
    assert running_browser.get_log("browser") == []
    for command in ("Emulation.clearDeviceMetricsOverride", "Emulation.setEmulatedMedia"):
        running_browser.execute_cdp_cmd(command, {})


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command; return its exit code and what it wrote to the two outputs."""

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        written = capsys.readouterr()
        return code, written.out, written.err

    return call


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """Six subjects with two channels at 2 mm, in LPS, as ``<subject>/<subject>_t1.nii.gz`` and ``_t2.nii.gz``."""
    affine = np.array([[-2.0, 0, 0, 20], [0, -2.0, 0, 30], [0, 0, 2.0, -40], [0, 0, 0, 1]])
    root = tmp_path / "volumes"
    for index in range(6):
        for channel, brightness in (("t1", 500), ("t2", 90_000)):
            path = root / f"sub-{index}" / f"sub-{index}_{channel}.nii.gz"
            write_nifti(path, blob((10, 12, 8), index, brightness), affine)
    return root


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes of eight RGB pictures of 24×18 pixels, as ``<class>/<subject>/tile.png``."""
    rng = np.random.default_rng(0)
    root = tmp_path / "pictures"
    for class_name, colour in (("benign", (200, 60, 120)), ("tumour", (90, 40, 160))):
        for index in range(8):
            noise = rng.integers(-30, 30, (18, 24, 3))
            array = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            write_picture(root / class_name / f"{class_name}_{index}" / "tile.png", array)
    return root


@pytest.fixture
def table_of(cli: Cli, tmp_path: Path) -> TableOf:
    """Make ``data.csv`` of a folder of images with ``construct-csv``."""

    def construct(images: Path, endings: str = ".png", paradigm: str = "unlabeled") -> Path:
        path = tmp_path / "data.csv"
        code, _, err = cli("construct-csv", "-i", images, "-ch", endings, "-l", paradigm, "-o", path)
        assert code == 0, err
        return path

    return construct


@pytest.fixture
def pictures_table(table_of: TableOf, pictures: Path) -> Path:
    """The CSV of the two classes of pictures."""
    return table_of(pictures, ".png", "custom")


@pytest.fixture
def pictures_model(cli: Cli, pictures_table: Path, tiny_config: TinyConfig, tmp_path: Path) -> Path:
    """The folder of a model of the two classes of pictures at 8×8."""
    model = tmp_path / "model"
    code, _, err = cli("train", "-c", tiny_config([8, 8]), "-dt", pictures_table, "-m-dir", model)
    assert code == 0, err
    return model


@pytest.fixture
def tiny_config(tmp_path: Path) -> TinyConfig:
    """Write a configuration that trains in a blink."""

    def write(shape: list[int], extra: str = "") -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(TINY.format(shape=shape) + extra)
        return path

    return write
