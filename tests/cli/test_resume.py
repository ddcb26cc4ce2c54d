"""A run goes on as the same run, or is refused with what differs."""

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from tests.factories import TINY, Cli, blob, read_table, write_nifti, write_table
from tests.processes import same_state

from gandlf_synth.cli.main import main

AFFINE = np.diag([-2.0, -2.0, 2.0, 1.0])
COLUMNS = ("SubjectID", "Channel_0", "Channel_1")
Resume = Callable[..., tuple[int, str]]


def write_subjects(folder: Path, numbers: range) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for number in numbers:
        brain = blob((10, 12, 8), number, 500).astype(np.int16)
        files = [write_nifti(folder / f"s{number}" / f"{name}.nii.gz", brain * factor, AFFINE)
                 for name, factor in (("t1", 1), ("t2", 20))]  # fmt: skip
        rows.append((f"s{number}", *files))
    return rows


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with data, a configuration, and a model of two epochs."""
    root = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANDLF_SYNTH_CACHE", str(root / "cache"))
        write_table(root / "data.csv", COLUMNS, write_subjects(root / "images", range(10)))
        even = "model_config:\n  lr_cooldown_fraction: 0"  # a longer run then begins as a shorter one does
        (root / "config.yaml").write_text(TINY.format(shape=[8, 8, 8]).replace("model_config:", even))
        words = ("-c", root / "config.yaml", "-dt", root / "data.csv", "-m-dir", root / "model", "-vr", "0.2")
        assert main(["train", *map(str, words)]) == 0
        yield root


@pytest.fixture
def job(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder; the CSV still names the images in their first place."""
    monkeypatch.setenv("GANDLF_SYNTH_CACHE", str(trained / "cache"))
    for name in ("data.csv", "config.yaml"):
        shutil.copy(trained / name, tmp_path)
    shutil.copytree(trained / "model", tmp_path / "model")
    return tmp_path


@pytest.fixture
def resume(cli: Cli, job: Path) -> Resume:
    def call(*words: object, ratio: object = 0.2) -> tuple[int, str]:
        split = ("-vr", ratio) if ratio else ()
        fixed = ("-c", job / "config.yaml", "-dt", job / "data.csv", "-m-dir", job / "model", *split)
        code, _, err = cli("train", *fixed, "--resume", "--set", "num_epochs=3", *words)
        return code, err

    return call


def changed_image(job: Path, change: Callable[[nib.Nifti1Image], nib.Nifti1Image]) -> None:
    """Let the first row name a changed copy of its first image."""
    rows = read_table(job / "data.csv")
    copy = job / "s0" / "t1.nii.gz"
    copy.parent.mkdir()
    nib.save(change(nib.load(rows[0]["Channel_0"])), copy)
    write_table(job / "data.csv", COLUMNS, [(r["SubjectID"], copy if r is rows[0] else r["Channel_0"], r["Channel_1"])
                                            for r in rows])  # fmt: skip


def other_voxels(image: nib.Nifti1Image) -> nib.Nifti1Image:
    voxels = np.asarray(image.dataobj)
    voxels[4, 5, 6] += 1
    return nib.Nifti1Image(voxels, image.affine)


def other_spacing(image: nib.Nifti1Image) -> nib.Nifti1Image:
    return nib.Nifti1Image(np.asarray(image.dataobj), np.diag([-2.0, -2.0, 2.001, 1.0]))


def other_type(image: nib.Nifti1Image) -> nib.Nifti1Image:
    return nib.Nifti1Image(np.asarray(image.dataobj).astype(np.int32), image.affine)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_voxels, "an image that the run does not know: 1"),
        (other_type, "another affine, spacing or number type: 1"),
    ],
)
def test_other_images_are_refused(
    resume: Resume, job: Path, change: Callable[[nib.Nifti1Image], nib.Nifti1Image], message: str
) -> None:
    changed_image(job, change)
    before = (job / "model" / "run.json").read_bytes()

    code, err = resume()

    assert code == 3, err
    assert message in err
    assert "--new-data" in err
    assert (job / "model" / "run.json").read_bytes() == before


def test_another_spacing_is_refused(resume: Resume, job: Path) -> None:
    rows = read_table(job / "data.csv")
    for row in rows:
        for name in ("Channel_0", "Channel_1"):
            copy = job / row["SubjectID"] / Path(row[name]).name
            copy.parent.mkdir(exist_ok=True)
            nib.save(other_spacing(nib.load(row[name])), copy)
            row[name] = str(copy)
    write_table(job / "data.csv", COLUMNS, [tuple(row.values()) for row in rows])

    code, err = resume()

    assert code == 3, err
    assert "10 rows have another affine, spacing or number type" in err


def test_swapped_channel_columns_are_refused_also_with_new_data(resume: Resume, job: Path) -> None:
    rows = read_table(job / "data.csv")
    write_table(job / "data.csv", COLUMNS, [(r["SubjectID"], r["Channel_1"], r["Channel_0"]) for r in rows])

    for flags in ((), ("--new-data",)):
        code, err = resume(*flags)

        assert code == 3, err
        assert "the channel columns in another order" in err


def test_a_row_that_is_gone_is_refused(resume: Resume, job: Path) -> None:
    lines = (job / "data.csv").read_text().splitlines()
    (job / "data.csv").write_text("\n".join(lines[:-1]) + "\n")

    code, err = resume()

    assert code == 3, err
    assert "lacks 1 " in err


@pytest.mark.parametrize(
    ("words", "ratio", "message"),
    [
        (("--set", "seed=7"), 0.2, "seed: is 7, and was 42 when the run began"),
        ((), 0.4, "-vr: is 0.4, and was 0.2"),
        ((), None, "-vr: is 0, and was 0.2"),
        (("--set", "data_preprocessing={train: {normalize: }}"), 0.2, "data_preprocessing.train"),
        (("--set", "model_config.optimizers={name: sgd, lr: 0.1}"), 0.2, "is sgd for model, and was adamw"),
        (("--set", "dataloader_config.train.shuffle=false"), 0.2, "dataloader_config.train.shuffle"),
        (("--set", "model_config.model_name=flow_matching"), 0.2, "the model folder holds a run of ddpm"),
        (("--set", "num_epochs=1"), 0.2, "the run has trained 2 epochs"),
    ],
)
def test_another_run_is_refused(
    resume: Resume, job: Path, words: tuple[str, ...], ratio: float | None, message: str
) -> None:
    before = {path: path.read_bytes() for path in (job / "model").rglob("*") if path.is_file()}

    code, err = resume(*words, ratio=ratio)

    assert code == 2, err
    assert message in err
    assert {path: path.read_bytes() for path in before} == before


def test_a_validation_set_of_images_that_were_learned_is_refused_also_with_new_data(resume: Resume, job: Path) -> None:
    with (job / "model" / "data_record.csv").open() as file:
        learned = {row["files"] for row in csv.DictReader(file) if row["split"] == "train"}
    rows = read_table(job / "data.csv")
    assert len(learned) == 8
    write_table(job / "val.csv", COLUMNS, [tuple(row.values()) for row in rows[:6]])
    write_table(job / "data.csv", COLUMNS, [tuple(row.values()) for row in rows[6:]])

    code, err = resume("-v-csv", job / "val.csv", "--new-data", ratio=None)

    assert code == 3, err
    assert "an image that the run was trained on" in err


def test_moved_files_in_another_order_are_the_same_data(resume: Resume, cli: Cli, job: Path, trained: Path) -> None:
    """Also where the names of the subjects change with the folders, by which the split would be another one."""
    whole = ("-c", job / "config.yaml", "-dt", job / "data.csv", "-m-dir", job / "whole", "-vr", "0.2")
    assert cli("train", *whole, "--set", "num_epochs=3")[0] == 0
    moved = []
    for number, row in enumerate(reversed(read_table(job / "data.csv"))):
        files = [job / "moved" / f"{number}" / f"{name}.nii" for name in ("T1w", "T2w")]
        for file, name in zip(files, ("Channel_0", "Channel_1"), strict=True):
            file.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.load(row[name]), file)
        moved.append((f"new name {number}", *files))
    write_table(job / "data.csv", COLUMNS, moved)

    code, err = resume("--set", "dataloader_config.train.num_workers=1", "--set", "save_model_every_n_epochs=1")

    assert code == 0, err
    assert same_state(*(job / name / "checkpoints" / "last.ckpt" for name in ("model", "whole")))


def test_new_data_is_trained_on_when_it_is_meant(resume: Resume, job: Path) -> None:
    rows = [tuple(row.values()) for row in read_table(job / "data.csv")]
    write_table(job / "data.csv", COLUMNS, [*rows, *write_subjects(job / "images", range(10, 13))])
    spec = (job / "model" / "data_spec.json").read_bytes()

    assert resume()[0] == 3
    code, err = resume("--new-data")

    assert code == 0, err
    with (job / "model" / "data_record.csv").open() as file:
        splits = [row["split"] for row in csv.DictReader(file)]
    assert (splits.count("train"), splits.count("val")) == (11, 2)
    assert (job / "model" / "data_spec.json").read_bytes() == spec


def test_the_record_has_every_session_and_what_was_in_force(resume: Resume, job: Path) -> None:
    first = json.loads((job / "model" / "run.json").read_text())

    assert resume("--set", "model_config.optimizers={name: adamw, lr: 0.0001}")[0] == 0

    record = json.loads((job / "model" / "run.json").read_text())
    sessions = record["sessions"]
    assert [session["epochs"] for session in sessions] == [2, 3]
    assert record["seconds"] == pytest.approx(sum(session["seconds"] for session in sessions), abs=0.11)
    assert record["seconds"] > first["seconds"]
    assert sessions[0]["in_force"]["optimizers"]["lr"] == 0.0005
    assert sessions[1]["in_force"]["optimizers"]["lr"] == 0.0001
    assert "num_epochs: 2 → 3" in sessions[1]["changes"]
    assert "model_config.optimizers.lr: 0.0005 → 0.0001" in sessions[1]["changes"]
    assert set(first["notes"]) <= set(record["notes"])


def test_a_run_that_had_ended_keeps_what_it_measured(resume: Resume, job: Path) -> None:
    before = json.loads((job / "model" / "run.json").read_text())

    code, _ = resume("--set", "num_epochs=2")

    after = json.loads((job / "model" / "run.json").read_text())
    assert code == 0
    assert (after["steps"], after["metrics"]) == (before["steps"], before["metrics"])
    assert "val_loss" in after["metrics"]


def test_what_a_killed_write_left_is_removed_and_nothing_else(resume: Resume, job: Path) -> None:
    model = job / "model"
    left = [model / ".0a1b2c3d.run.json", model / "checkpoints" / ".ffffffff.last.ckpt"]
    kept = [model / ".notes.txt", model / ".0a1b2c3d"]
    for path in (*left, *kept):
        path.write_text("half")

    assert resume()[0] == 0

    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)


OLD_WORDS = """\
model_config:
  model_name: dcgan
  tensor_shape: [16, 16]
  architecture: {latent_vector_size: 4, init_channels_discriminator: 4, init_channels_generator: 8}
  n_fixed_images_batch_size: 2
  optimizers: {generator: {name: adam, lr: 0.001}, discriminator: {adam: {lr: 0.001}}}
  schedulers: {type: step, step_size: 2}
num_epochs: 1
batch_size: 8
data_preprocessing: {train: {resize: [16, 16]}, validation: {resize: [16, 16]}}
data_augmentations: {train: {flip: {axis: 0}}}
data_postprocessing: {infer: {}}
dataloader_config: {train: {num_workers: 0}, validation: {num_workers: 0}, infer: {num_workers: 0}}
inference_parameters: {batch_size: 2, n_images_to_generate: 1}
compute: {accelerator: cpu, precision: 32}
"""


def test_a_configuration_in_the_words_of_the_existing_tool_trains_resumes_and_generates(
    cli: Cli, pictures_table: Path, tmp_path: Path
) -> None:
    config, model = tmp_path / "old.yaml", tmp_path / "model"
    config.write_text(OLD_WORDS)
    words = ("-c", config, "-dt", pictures_table, "-m-dir", model)
    run = ("run", "-t", *words, "-vr", "0.3")
    assert cli(*run)[0] == 0

    for command in ((*run, "-rs"), ("train", *words, "-vr", "0.3", "--resume", "--set", "num_epochs=2")):
        code, _, err = cli(*command)
        assert code == 0, err
    code, out, err = cli("generate", "-c", config, "-m-dir", model)

    assert code == 0, err
    assert len(list(Path(out.strip()).glob("generated_image*.json"))) == 1
