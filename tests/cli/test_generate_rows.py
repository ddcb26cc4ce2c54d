"""Images made of the rows of a CSV: where they lie, what stays as it was, and what bad rows are told."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from tests.factories import TINY, Array, Cli, blob, read_table, write_nifti, write_table
from tests.processes import run, start

from gandlf_synth.cli.main import main
from gandlf_synth.data.table.manifest import read_manifest

SHAPE = (20, 18, 14)
OBLIQUE = np.array([[-1.9, 0.3, 0.1, 20], [0.3, 1.8, -0.4, -30], [0.0, 0.5, 2.2, 12], [0, 0, 0, 1]])
LPS = np.diag([-2.0, -2.0, 2.0, 1.0]) @ np.array([[1.0, 0, 0, 7], [0, 1, 0, 8], [0, 0, 1, 9], [0, 0, 0, 1]])
NUM_SOURCES = {"plain": 0, "patches": 0, "translation": 1, "missing": 2}


@dataclass
class Rows:
    """A folder with scans, and models trained on them."""

    root: Path
    count: int = 0
    models: dict[str, Path] = field(default_factory=dict)

    def scan(self, name: str, seed: int, affine: Array = OBLIQUE, brightness: float = 4000) -> Path:
        return write_nifti(self.root / name / "t1.nii.gz", blob(SHAPE, seed, brightness).astype(np.int16), affine)

    def region(self, name: str, affine: Array = OBLIQUE, fill: int | None = None) -> Path:
        region = np.zeros(SHAPE, np.uint8)
        region[8:13, 7:11, 5:9] = 1
        return write_nifti(self.root / f"{name}.nii.gz", region if fill is None else np.full_like(region, fill), affine)

    def table(self, columns: Sequence[str], *rows: Sequence[object]) -> Path:
        self.count += 1
        return write_table(self.root / f"inputs_{self.count}.csv", columns, rows)

    def model(self, kind: str) -> Path:
        """Return a model, trained at the first call: ``plain``, ``patches``, ``translation`` or ``missing``."""
        if kind not in self.models:
            number = NUM_SOURCES[kind]
            columns = ("SubjectID", "Channel_0", *(f"Source_{source}" for source in range(number)))
            scans = [
                (f"m{i}", self.scan(f"m{i}", i), *(self.scan(f"q{k}_{i}", i, brightness=90) for k in range(number)))
                for i in range(4)
            ]
            data = self.table(columns, *scans)
            config = self.root / f"{kind}.yaml"
            image = "{image: {missing: 0.5}}" if kind == "missing" else "image"
            named = f"model_name: ddpm\n  conditioning: [{image}]" if number else "model_name: ddpm"
            text = TINY.format(shape=[12, 12, 8]).replace("model_name: ddpm", named)
            config.write_text(text + ("patch_sampler: uniform\n" if kind == "patches" else ""))
            self.models[kind] = self.root / f"model_{kind}"
            words = ("train", "-c", config, "-dt", data, "-m-dir", self.models[kind])
            assert main(["--quiet", *map(str, words)]) == 0
        return self.models[kind]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rows]:
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("rows")
        patch.setenv("GANDLF_SYNTH_CACHE", str(root / "cache"))
        yield Rows(root)


def generated(cli: Cli, *words: object) -> Path:
    code, out, err = cli("generate", *words)
    assert code == 0, err
    return Path(out.strip())


def refusal(cli: Cli, *words: object) -> str:
    code, _, err = cli("generate", *words)
    assert code in (2, 3), err
    assert "Traceback" not in err
    return err


def without_sform(path: Path, affine: Array) -> Path:
    """Write the scan again with its place as a quaternion only."""
    image = nib.Nifti1Image(np.asarray(nib.load(path).dataobj), affine)
    image.set_qform(affine, code=1)
    image.set_sform(None, code=0)
    image.to_filename(path)
    return path


@pytest.mark.parametrize("kind", ["plain", "patches"])
@pytest.mark.parametrize("affine", [OBLIQUE, LPS], ids=["oblique", "LPS"])
def test_outside_of_the_region_the_file_stays_to_the_last_bit(
    cli: Cli, rows: Rows, tmp_path: Path, kind: str, affine: Array
) -> None:
    scan, region = rows.scan("a", 9, affine), rows.region("region_a", affine)
    table = rows.table(("SubjectID", "Channel_0", "Region"), ("a", scan, region))

    folder = generated(cli, "-m-dir", rows.model(kind), "-dt", table, "-i-dir", tmp_path / "out")

    before, after = nib.load(scan), nib.load(folder / "a_synthetic.nii.gz")
    marked = np.asarray(nib.load(region).dataobj) != 0
    assert np.array_equal(after.affine, before.affine)
    assert after.get_data_dtype() == before.get_data_dtype()
    assert np.array_equal(np.asarray(after.dataobj)[~marked], np.asarray(before.dataobj)[~marked])
    assert not np.array_equal(np.asarray(after.dataobj)[marked], np.asarray(before.dataobj)[marked])
    assert (folder / "contact_sheet.png").is_file()


def test_a_place_that_only_a_quaternion_states_is_kept_to_the_last_bit(cli: Cli, rows: Rows, tmp_path: Path) -> None:
    turn = np.array([[0.6, -0.8, 0, 3], [0.8, 0.6, 0, 4], [0, 0, 1, 5], [0, 0, 0, 1]]) @ np.diag([1.3, 0.7, 2.1, 1])
    scan, region = (without_sform(path, turn) for path in (rows.scan("b", 1), rows.region("region_b")))
    table = rows.table(("SubjectID", "Channel_0", "Region"), ("b", scan, region))

    folder = generated(cli, "-m-dir", rows.model("plain"), "-dt", table, "-i-dir", tmp_path / "out")

    assert np.array_equal(nib.load(folder / "b_synthetic.nii.gz").affine, nib.load(scan).affine)


def test_what_the_region_held_does_not_matter(cli: Cli, rows: Rows, tmp_path: Path) -> None:
    scan, region = rows.scan("c", 3), rows.region("region_c")
    voxels = np.asarray(nib.load(scan).dataobj).copy()
    voxels[np.asarray(nib.load(region).dataobj) != 0] = 0
    voided = write_nifti(rows.root / "voided" / "t1.nii.gz", voxels, OBLIQUE)
    columns = ("SubjectID", "Channel_0", "Region")
    tables = [rows.table(columns, ("c", image, region)) for image in (scan, voided)]

    folders = [
        generated(cli, "-m-dir", rows.model("plain"), "-dt", table, "-i-dir", tmp_path / str(number))
        for number, table in enumerate(tables)
    ]

    first, second = (np.asarray(nib.load(folder / "c_synthetic.nii.gz").dataobj) for folder in folders)
    assert np.array_equal(first, second)


def test_a_translated_image_lies_where_its_source_lies(cli: Cli, rows: Rows, tmp_path: Path) -> None:
    source, target = rows.scan("d", 5, LPS, brightness=80), rows.scan("e", 5, LPS)
    columns = ("SubjectID", "Channel_0", "Source_0", "Label", "Age")
    with_target = rows.table(columns, ("d", target, source, 2, "61"))
    without = rows.table(("SubjectID", "Source_0"), ("d", source))
    model = rows.model("translation")

    folders = [
        generated(cli, "-m-dir", model, "-dt", table, "-i-dir", tmp_path / str(number), "--seed", 3)
        for number, table in enumerate((with_target, without))
    ]

    made = [nib.load(folder / "d_synthetic.nii.gz") for folder in folders]
    assert np.array_equal(made[0].affine, nib.load(source).affine)
    assert made[0].shape == SHAPE
    assert made[0].get_data_dtype() == np.int16
    # The true image is shown for comparison only.
    assert np.array_equal(np.asarray(made[0].dataobj), np.asarray(made[1].dataobj))
    (row,) = read_table(folders[0] / "inference_logs" / "images.csv")
    assert row == {
        "SubjectID": "d", "Channel_0": "../d_synthetic.nii.gz", "Source_0": str(source), "Label": "2",
        "LabelMapping": "", "Age": "61",
    }  # fmt: skip


def test_the_csv_of_the_images_can_be_read_where_no_row_has_the_first_source(
    cli: Cli, rows: Rows, tmp_path: Path
) -> None:
    table = rows.table(("SubjectID", "Source_0", "Source_1"), ("d", "", rows.scan("d", 5)))

    folder = generated(cli, "-m-dir", rows.model("missing"), "-dt", table, "-i-dir", tmp_path / "out")

    (sample,) = read_manifest(folder / "inference_logs" / "images.csv").samples
    assert sample.sources == (None, rows.root / "d" / "t1.nii.gz")


def test_the_sidecar_says_what_an_image_was_made_from(cli: Cli, rows: Rows, tmp_path: Path) -> None:
    source = rows.scan("f", 6)
    table = rows.table(("SubjectID", "Source_0"), ("f", source))

    folder = generated(cli, "-m-dir", rows.model("translation"), "-dt", table, "-i-dir", tmp_path / "out")

    record = json.loads((folder / "f_synthetic.json").read_text())
    assert record["made_from"] == {"Source_0": hashlib.sha256(source.read_bytes()).hexdigest()}
    assert (record["row"], record["subject"], record["synthetic"]) == (1, "f", True)
    assert isinstance(record["seed"], int)
    assert "made from images of a patient" in record["mark"]
    assert b"made from images of a patient" in nib.load(folder / "f_synthetic.nii.gz").header["descrip"].tobytes()


def test_several_samples_of_a_row_give_their_mean_and_spread(cli: Cli, rows: Rows, tmp_path: Path) -> None:
    table = rows.table(("SubjectID", "Source_0"), ("g", rows.scan("g", 7)), ("h", rows.scan("h", 8)))
    words = ("-m-dir", rows.model("translation"), "-dt", table, "--n-samples", 3)

    folder = generated(cli, *words, "-i-dir", tmp_path / "out")
    together = generated(cli, *words, "-i-dir", tmp_path / "together", "--batch-size", 4, "--only", 2)

    images = np.stack([np.asarray(nib.load(folder / f"h_synthetic_{k}.nii.gz").dataobj, float) for k in range(3)])
    mean, std = (np.asarray(nib.load(folder / f"h_{name}.nii.gz").dataobj) for name in ("mean", "std"))
    assert np.allclose(mean, images.mean(0), rtol=1e-5)
    assert np.allclose(std, images.std(0, ddof=1), rtol=1e-4, atol=1e-3)
    assert std.max() > 0
    assert len(read_table(folder / "inference_logs" / "images.csv")) == 6
    again = np.asarray(nib.load(together / "h_synthetic_1.nii.gz").dataobj, float)
    assert np.abs(again - images[1]).max() <= 2
    assert not (together / "g_synthetic_0.nii.gz").exists()


def test_an_average_of_draws_is_their_mean(cli: Cli, rows: Rows, tmp_path: Path) -> None:
    table = rows.table(("SubjectID", "Source_0"), ("i", rows.scan("i", 7)))
    words = ("-m-dir", rows.model("translation"), "-dt", table)

    apart = generated(cli, *words, "--n-samples", 4, "-i-dir", tmp_path / "apart")
    averaged = generated(cli, *words, "--average", 4, "-i-dir", tmp_path / "averaged")

    mean = np.asarray(nib.load(apart / "i_mean.nii.gz").dataobj)
    assert np.abs(np.asarray(nib.load(averaged / "i_synthetic.nii.gz").dataobj) - mean).max() <= 2


@pytest.mark.slow
def test_a_killed_call_is_finished_with_the_same_bytes(rows: Rows, tmp_path: Path) -> None:
    table = rows.table(
        ("SubjectID", "Channel_0", "Region"),
        *((f"k{i}", rows.scan(f"k{i}", i), rows.region(f"region_k{i}")) for i in range(4)),
    )
    words = ("generate", "-m-dir", rows.model("plain"), "-dt", table, "--n-samples", 2, "--jump-n-sample", 10)
    killed = tmp_path / "killed"
    first = start(*words, "-i-dir", killed)
    deadline = time.monotonic() + 120
    while not list(killed.rglob("k1_synthetic_0.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    first.kill()
    first.wait(60)
    assert not list(killed.rglob("k3_synthetic_1.json"))

    run(*words, "-i-dir", killed, "--resume")
    run(*words, "-i-dir", tmp_path / "whole")

    names = {path.name for path in (tmp_path / "whole").rglob("k*")}
    assert len(names) == 4 * 4 * 2
    for path in (tmp_path / "whole").rglob("k*"):
        (other,) = killed.rglob(path.name)
        assert other.read_bytes() == path.read_bytes(), path.name
    assert len(list(killed.iterdir())) == 1


def test_a_row_whose_image_has_changed_is_made_again(cli: Cli, rows: Rows, tmp_path: Path) -> None:
    source = rows.scan("l", 2)
    table = rows.table(("SubjectID", "Source_0"), ("l", source))
    words = ("-m-dir", rows.model("translation"), "-dt", table, "-i-dir", tmp_path / "out")
    first = (generated(cli, *words) / "l_synthetic.nii.gz").read_bytes()

    shutil.copy(rows.scan("other", 11), source)
    second = (generated(cli, *words, "--resume") / "l_synthetic.nii.gz").read_bytes()

    assert first != second


def test_bad_rows_are_named_with_their_columns(cli: Cli, rows: Rows) -> None:
    scan = rows.scan("n", 4)
    table = rows.table(
        ("SubjectID", "Channel_0", "Region"),
        ("a", scan, rows.region("empty", fill=0)),
        ("b", scan, rows.region("everything", fill=1)),
        ("c", scan, ""),
    )

    err = refusal(cli, "-m-dir", rows.model("plain"), "-dt", table)

    assert "row 1, column Region" in err
    assert "is 0 everywhere" in err
    assert "row 2, column Region" in err
    assert "is not 0 anywhere" in err
    assert "row 3, column Region" in err
    assert "is empty" in err


def test_regions_that_preprocessing_cuts_off_are_named_before_anything_is_made(
    cli: Cli, rows: Rows, tmp_path: Path
) -> None:
    config = tmp_path / "cropped.yaml"
    config.write_text(TINY.format(shape=[12, 12, 8]) + "data_preprocessing: {crop_or_pad: [4, 18, 14]}\n")
    scans = [(f"cut{i}", rows.scan(f"cut{i}", i), rows.region(f"region_cut{i}")) for i in range(3)]
    inside = np.zeros(SHAPE, np.uint8)
    inside[9:11, 7:11, 5:9] = 1
    write_nifti(scans[1][2], inside, OBLIQUE)
    table = rows.table(("SubjectID", "Channel_0", "Region"), *scans)

    for words in ([], ["--dry-run"]):
        err = refusal(
            cli, "-m-dir", rows.model("plain"), "-c", config, "-dt", table, "-i-dir", tmp_path / "out", *words
        )

        for number, (_, _, region) in enumerate(scans, start=1):
            told = f"row {number}, column Region ({region}): "
            assert (told in err) == (number != 2)
        assert "outside of what the preprocessing keeps" in err
    assert not (tmp_path / "out").exists()


def test_a_row_without_any_source_is_refused(cli: Cli, rows: Rows) -> None:
    scan = rows.scan("o", 4)
    table = rows.table(("SubjectID", "Source_0", "Mask"), ("a", scan, scan), ("b", "", scan))

    err = refusal(cli, "-m-dir", rows.model("translation"), "-dt", table)

    assert "row 2" in err
    assert "is empty, and the model never learned to do without (image)" in err


@pytest.mark.parametrize(
    ("kind", "columns", "message"),
    [
        ("plain", ("Source_0",), "nothing that the model takes (Source): it was trained without conditions"),
        ("translation", ("Source_0", "Source_1"), "column Source_1: the model was trained on 1 source column"),
    ],
)
def test_columns_that_the_model_cannot_use_are_refused(
    cli: Cli, rows: Rows, kind: str, columns: Sequence[str], message: str
) -> None:
    scans = [rows.scan(f"p{number}", 4) for number, _ in enumerate(columns)]
    table = rows.table(("SubjectID", *columns), ("a", *scans))

    assert message in refusal(cli, "-m-dir", rows.model(kind), "-dt", table)


def test_files_on_another_grid_are_refused(cli: Cli, rows: Rows) -> None:
    table = rows.table(
        ("SubjectID", "Channel_0", "Region"), ("a", rows.scan("r", 4, LPS), rows.region("elsewhere", OBLIQUE))
    )

    assert "row 1, column Region" in refusal(cli, "-m-dir", rows.model("plain"), "-dt", table)


def test_a_model_of_images_from_images_wants_a_table(cli: Cli, rows: Rows) -> None:
    assert "trained to make images from others (image)" in refusal(cli, "-m-dir", rows.model("translation"), "-n", 2)


def test_counts_and_copies_make_no_sense_with_rows(cli: Cli, rows: Rows) -> None:
    table = rows.table(("SubjectID", "Source_0"), ("a", rows.scan("s", 4)))
    words = ("-m-dir", rows.model("translation"), "-dt", table)

    assert "--n-samples makes several of each row" in refusal(cli, *words, "-n", 2)
    assert "each image is made from that of a row" in refusal(cli, *words, "--refuse-copies", table)


def test_dry_run_counts_the_images_of_all_rows(cli: Cli, rows: Rows) -> None:
    table = rows.table(("SubjectID", "Source_0"), ("a", rows.scan("u", 4)), ("b", rows.scan("v", 5)))

    code, out, err = cli("generate", "-m-dir", rows.model("translation"), "-dt", table, "--n-samples", 2, "--dry-run")

    assert code == 0, err
    assert "would make 4 images" in out
