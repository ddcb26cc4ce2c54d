"""Whatever can be known before training is said before training: where, what, what to do; and nothing is touched."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from tests.factories import Cli, TableOf, TinyConfig, blob, write_nifti

from gandlf_synth.models.checkpoint import read_checkpoint

Job = Callable[..., tuple[int, str]]


@pytest.fixture
def job(cli: Cli, table_of: TableOf, volumes: Path, tiny_config: TinyConfig, tmp_path: Path) -> Job:
    """Train on the volumes with one thing wrong; return exit code and message."""
    csv = table_of(volumes, "_t1.nii.gz,_t2.nii.gz")

    def run(*words: object, extra: str = "", config: Path | None = None) -> tuple[int, str]:
        path = config or tiny_config([8, 8, 8], extra)
        code, _, err = cli("train", "-c", path, "-dt", csv, "-m-dir", tmp_path / "model", *words)
        assert not (tmp_path / "model").exists()
        assert "Traceback" not in err
        return code, err

    return run


def damage(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])


def test_unusable_images_are_all_named_with_row_and_column(job: Job, volumes: Path) -> None:
    damage(volumes / "sub-1" / "sub-1_t1.nii.gz", 200)
    damage(volumes / "sub-2" / "sub-2_t2.nii.gz", 0)
    (volumes / "sub-3" / "sub-3_t1.nii.gz").write_bytes(b"not an image")
    write_nifti(volumes / "sub-4" / "sub-4_t1.nii.gz", np.full((10, 12, 8), np.nan, np.float32))

    code, err = job()

    assert code == 3
    assert "4 problems" in err
    for row, column, what in (
        (2, 0, "truncated"),
        (3, 1, "is empty (0 bytes)"),
        (4, 0, "is"),
        (5, 0, "has 960 voxels that are NaN or infinite"),
    ):
        line = next(line for line in err.splitlines() if f"row {row}, column Channel_{column}" in line)
        assert what in line


def test_missing_images_are_named(job: Job, volumes: Path) -> None:
    (volumes / "sub-5" / "sub-5_t2.nii.gz").unlink()

    code, err = job()

    assert code == 3
    assert "row 6 (line 7), column Channel_1" in err
    assert "does not exist" in err


def test_channels_on_different_grids_are_refused(job: Job, volumes: Path) -> None:
    path = volumes / "sub-0" / "sub-0_t2.nii.gz"
    image = nib.load(path)
    write_nifti(path, image.get_fdata().astype(np.float32), image.affine + np.diag([0, 0, 0.5, 0]))

    code, err = job()

    assert code == 3
    assert "row 1, column Channel_1" in err
    assert "lies on another grid than Channel_0" in err
    assert "2×2×2.5 mm" in err


def test_mixed_dimensions_are_refused(job: Job, volumes: Path) -> None:
    for channel in ("t1", "t2"):
        write_nifti(volumes / "sub-0" / f"sub-0_{channel}.nii.gz", blob((10, 12), 0))

    code, err = job()

    assert code == 3
    assert "has 2 dimensions" in err
    assert "10 images with 3" in err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("model_name: ddpm", "model_name: ddpm\n  n_channels: 4", "says 4, but the data has 2 (2 CSV columns of 1, 1"),
        ("model_name: ddpm", "model_name: ddpm\n  labeling_paradigm: custom", "says custom, but"),
        (
            "tensor_shape: [8, 8, 8]",
            "tensor_shape: [8, 8]\n  n_dimensions: 2",
            "says 2, but the images have 3 dimensions",
        ),
    ],
)
def test_a_configuration_that_the_data_contradicts_is_refused(
    job: Job, tiny_config: TinyConfig, old: str, new: str, message: str
) -> None:
    config = tiny_config([8, 8, 8])
    config.write_text(config.read_text().replace(old, new))

    code, err = job(config=config)

    assert code == 2
    assert message in err
    assert "config.yaml:" in err


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("num_epoch: 3\n", "num_epoch: unknown key"),
        ("data_preprocessing: {resize: [4, 4, 4]}\n", "tensor_shape: says [8, 8, 8], but data_preprocessing ends with"),
        ("early_stopping_config: {monitor_value: val_loss}\n", "'val_loss' will not be logged"),
        ("metrics: [structural_similarity_index]\n", "compare an image with its own reconstruction"),
        ("seed: -1\n", "seed: -1 is not valid"),
    ],
)
def test_wrong_keys_are_refused(job: Job, extra: str, message: str) -> None:
    code, err = job(extra=extra)

    assert code == 2
    assert message in err


@pytest.mark.parametrize(
    "component", ["optimizers: {name: adam, learning_rate: 0.1}", "schedulers: {type: step, gama: 2}"]
)
def test_wrong_parameters_are_refused(job: Job, tiny_config: TinyConfig, component: str) -> None:
    config = tiny_config([8, 8, 8])
    config.write_text(config.read_text().replace("  num_inference_steps", f"  {component}\n  num_inference_steps"))

    code, err = job(config=config)

    assert code == 2
    assert "unknown key" in err


@pytest.mark.parametrize(("ratio", "message"), [("0.05", "6 subjects"), ("0.99", "6 subjects")])
def test_a_ratio_that_leaves_a_split_empty_is_refused(job: Job, ratio: str, message: str) -> None:
    code, err = job("-vr", ratio)

    assert code == 3
    assert message in err


def test_one_subject_in_two_csvs_is_refused(job: Job, tmp_path: Path) -> None:
    val = tmp_path / "val.csv"
    lines = (tmp_path / "data.csv").read_text().splitlines()
    val.write_text("\n".join([lines[0], lines[2]]) + "\n")

    code, err = job("-v-csv", val)

    assert code == 3
    assert "sub-1" in err


def test_a_folder_that_holds_a_run_is_left_alone(
    cli: Cli, volumes: Path, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    (model / "checkpoints").mkdir(parents=True)
    (model / "checkpoints" / "last.ckpt").write_text("precious")

    code, _, err = cli("train", "-c", tiny_config([8, 8, 8]), "-dt", tmp_path / "no.csv", "-m-dir", model)

    assert code == 2
    assert "already holds a run" in err
    assert "--resume" in err
    assert (model / "checkpoints" / "last.ckpt").read_text() == "precious"


@pytest.mark.parametrize("command", [("generate",), ("run", "-c", "config.yaml")])
def test_inference_without_a_checkpoint_writes_nothing(
    cli: Cli, tiny_config: TinyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_config([8, 8, 8])

    code, _, err = cli(*command, "-m-dir", tmp_path / "never")

    assert code == 4
    assert "holds no checkpoint" in err
    assert not (tmp_path / "never").exists()


class _Hostile:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (Path.touch, (self.victim,))


@pytest.mark.parametrize("kind", ["hostile", "damaged", "foreign"])
def test_a_checkpoint_that_is_not_ours_is_refused_and_runs_nothing(cli: Cli, tmp_path: Path, kind: str) -> None:
    path, victim = tmp_path / "x.ckpt", tmp_path / "victim"
    content = {"hostile": {"state_dict": _Hostile(victim)}, "foreign": {"state_dict": {}}}.get(kind)
    if content is None:
        path.write_bytes(b"PK\x03\x04 half a file")
    else:
        torch.save(content, path)

    code, _, err = cli("generate", "-m-dir", tmp_path, "-ckpt-path", path)

    assert code == 4
    assert str(path) in err
    assert not victim.exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("-n", "tumor=2"), 2, "did you mean 'tumour'?"),
        (("-n", "0"), 2, "asks for no image"),
        (("-n", "two"), 2, "'two' is not valid"),
        (("-n", "3", "--only", "3"), 2, "names image 3; allowed: 0 to 2"),
        (("--sampler", "dimm"), 2, "did you mean 'ddim'?"),
        (("--sampler", "dimm"), 2, "--sampler: unknown name 'dimm' in samplers; allowed: ddim, "),
        (("--steps", "0"), 2, "--steps"),
    ],
)
def test_generation_requests_that_cannot_be_met(
    cli: Cli, pictures_model: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    found, _, err = cli("generate", "-m-dir", pictures_model, *words)

    assert found == code
    assert message in err
    assert not list(pictures_model.glob("*_inference_output*"))


def test_resuming_another_model_is_refused(
    cli: Cli, pictures_model: Path, tiny_config: TinyConfig, tmp_path: Path
) -> None:
    before = (pictures_model / "checkpoints" / "last.ckpt").read_bytes()
    config = tiny_config([8, 8])
    config.write_text(config.read_text().replace("num_channels: [8, 8]", "num_channels: [8, 16]"))

    code, _, err = cli("train", "-c", config, "-dt", tmp_path / "data.csv", "-m-dir", pictures_model, "-rs")

    assert code == 4
    assert "was trained with model_config.architecture" in err
    assert (pictures_model / "checkpoints" / "last.ckpt").read_bytes() == before


def test_a_checkpoint_stands_alone(pictures_model: Path) -> None:
    about = read_checkpoint(pictures_model / "checkpoints" / "last.ckpt")["gandlf_synth"]

    assert about["model_name"] == "ddpm"
    assert about["spec"]["class_names"] == ["benign", "tumour"]
