"""Small real files in the layouts that users have, and the command line as a function."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from gandlf_synth.cli.main import main

TINY = """\
model_config:
  model_name: ddpm
  tensor_shape: {shape}
  architecture: {{num_channels: [8, 8], attention_levels: [false, true], num_res_blocks: 1,
                 norm_num_groups: 4, num_head_channels: 4, num_train_timesteps: 10}}
  num_inference_steps: 2
num_epochs: 2
batch_size: 4
compute: {{accelerator: cpu, precision: 32}}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANDLF_SYNTH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command; return its exit code and what it wrote to the two outputs."""

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        written = capsys.readouterr()
        return code, written.out, written.err

    return call


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def write_picture(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def blob(shape: tuple[int, ...], seed: int, brightness: float = 1000) -> np.ndarray:
    """A bright ball on black, somewhere near the middle."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    centre = rng.uniform(-0.2, 0.2, len(shape))
    distance = sum((axis - place) ** 2 for axis, place in zip(axes, centre, strict=True))
    return (brightness * np.exp(-4 * distance)).astype(np.float32)


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
def tiny_config(tmp_path: Path) -> Callable[..., Path]:
    """Write a configuration that trains in a blink."""

    def write(shape: list[int], extra: str = "") -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(TINY.format(shape=shape) + extra)
        return path

    return write
