"""``evaluate --paired``: reconstructions against their originals."""

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from tests.factories import Array, Cli, blob, read_table, write_nifti, write_table

NAMES = "mean_absolute_error,peak_signal_noise_ratio,structural_similarity_index,ms_ssim,correlation"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Ten volumes in two classes, and the same ones 5 units too bright inside a ball that the mask marks."""
    real, made = [], []
    for index in range(10):
        volume = blob((16, 18, 14), index)
        mask = (volume > 400).astype(np.float32)
        paths = [
            write_nifti(tmp_path / name / f"s{index}.nii.gz", array)
            for name, array in (("real", volume), ("mask", mask), ("made", volume + 5 * mask))
        ]
        label = index % 2
        real.append([f"s{index}", paths[0], paths[1], label, ("left", "right")[label]])
        made.append([f"s{index}", paths[2]])
    columns = ("SubjectID", "Channel_0", "Mask", "Label", "LabelMapping")
    return (
        write_table(tmp_path / "real.csv", columns, real),
        write_table(tmp_path / "made.csv", ("SubjectID", "Channel_0"), made),
    )


def test_errors_are_in_the_units_of_the_images_inside_the_mask(
    cli: Cli, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    code, out, err = cli("evaluate", "--paired", "-r", pair[0], "-s", pair[1], "-o", tmp_path / "out")

    assert code == 0, err
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert set(found["metrics"]) - {"perceptual_distance"} == set(NAMES.split(","))
    error = found["metrics"]["mean_absolute_error"]
    assert (error["low"], error["value"], error["high"]) == pytest.approx((5, 5, 5), rel=1e-4)
    assert found["metrics"]["correlation"]["value"] > 0.99
    assert set(found["per_class"]) == {"left", "right"}
    rows = read_table(tmp_path / "out" / "images.csv")
    assert [row["subject"] for row in rows] == [f"s{index}" for index in range(10)]
    assert "mean_absolute_error" in Path(out.strip()).read_text()


def test_one_subject_has_numbers_without_an_interval(cli: Cli, pair: tuple[Path, Path], tmp_path: Path) -> None:
    for table in pair:
        table.write_text("".join(table.read_text().splitlines(keepends=True)[:2]))

    code, _, err = cli("evaluate", "--paired", "-r", pair[0], "-s", pair[1], "-o", tmp_path / "out")

    assert code == 0, err
    error = json.loads((tmp_path / "out" / "metrics.json").read_text())["metrics"]["mean_absolute_error"]
    assert error == {"value": pytest.approx(5, rel=1e-4), "low": None, "high": None, "method": "none: one subject"}
    assert "one subject: no interval" in err
    assert "none: one subject" in (tmp_path / "out" / "report.html").read_text()


def test_files_of_the_same_name_are_pairs_and_equal_images_are_perfect(
    cli: Cli, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    real, same = tmp_path / "real", tmp_path / "same"
    same.mkdir()
    for index in range(8):
        (same / f"s{index}.nii.gz").write_bytes((real / f"s{index}.nii.gz").read_bytes())
    words = ("-r", real, "-s", same, "-o", tmp_path / "out", "--metrics", "mean_absolute_error,correlation,ms_ssim")

    code, _, err = cli("evaluate", "--paired", *words)

    assert code == 0, err
    assert "2 images have no partner: s8, s9" in err
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())["metrics"]
    assert found["mean_absolute_error"]["value"] == 0
    assert found["correlation"]["value"] == pytest.approx(1)
    assert found["ms_ssim"]["value"] == pytest.approx(1)


def test_sizes_that_differ_and_sets_without_pairs_are_refused(
    cli: Cli, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    write_nifti(tmp_path / "made" / "s3.nii.gz", blob((16, 18, 13), 3))
    code, _, err = cli("evaluate", "--paired", "-r", pair[0], "-s", pair[1], "-o", tmp_path / "out")
    assert code == 3
    assert "row 4, column Channel_0" in err
    assert "has 16×18×13 voxels instead of 16×18×14" in err

    for path in (tmp_path / "made").iterdir():
        path.rename(path.with_name(f"x{path.name}"))
    code, _, err = cli("evaluate", "--paired", "-r", tmp_path / "real", "-s", tmp_path / "made", "-o", tmp_path / "o")
    assert code == 3
    assert "has no image that belongs to one of" in err
    assert not (tmp_path / "o").exists()


LPS_AFFINE = np.array([[-2.0, 0, 0, 30], [0, -1, 0, 40], [0, 0, 3, -50], [0, 0, 0, 1]])


class Pairs:
    """Two subjects whose files a test may change, and their tables."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[dict[str, Path]] = []
        for seed in range(2):
            volume = blob((12, 14, 13), seed)
            arrays = {"Channel_0": volume, "made": volume + 40 * (volume > 700), "Mask": (volume > 300) * 1.0}
            self.rows.append({name: self.write(f"{seed}_{name}", array) for name, array in arrays.items()})

    def write(self, name: str, array: Array, affine: Array = LPS_AFFINE) -> Path:
        return write_nifti(self.folder / f"{name}.nii.gz", array.astype(np.float32), affine)

    def words(self, *columns: str) -> list[object]:
        """Return the options that name the tables; ``columns`` of the originals besides Channel_0."""
        names = ("Channel_0", *columns)
        real = [[f"s{index}", *(row.get(name, "") for name in names)] for index, row in enumerate(self.rows)]
        made = [[f"s{index}", row["made"]] for index, row in enumerate(self.rows)]
        tables = (
            write_table(self.folder / "real.csv", ("SubjectID", *names), real),
            write_table(self.folder / "made.csv", ("SubjectID", "Channel_0"), made),
        )
        return ["evaluate", "--paired", "-r", tables[0], "-s", tables[1], "-o", self.folder / "out"]


@pytest.fixture
def pairs(tmp_path: Path) -> Pairs:
    return Pairs(tmp_path)


def test_axes_of_files_may_run_otherwise_and_error_maps_lie_on_the_original(cli: Cli, pairs: Pairs) -> None:
    for row in pairs.rows:  # the same voxels at the same places, in RAS order
        affine = LPS_AFFINE @ np.array([[-1.0, 0, 0, 11], [0, -1, 0, 13], [0, 0, 1, 0], [0, 0, 0, 1]])
        made = nib.load(row["made"]).get_fdata()
        row["made"] = pairs.write(f"flipped_{row['made'].name[0]}", made[::-1, ::-1], affine)

    code, _, err = cli(*pairs.words("Mask"), "--metrics", "peak_signal_noise_ratio,mean_absolute_error")

    assert code == 0, err
    for index, row in enumerate(pairs.rows):
        original = nib.load(row["Channel_0"])
        errors = nib.load(pairs.folder / "out" / "error_maps" / f"s{index}_row_{index + 1}.nii.gz")
        assert np.array_equal(errors.affine, original.affine)
        assert errors.get_fdata() == pytest.approx(40 * (original.get_fdata() > 700), abs=1e-3)
    page = (pairs.folder / "out" / "report.html").read_text()
    assert page.count("data:image/png") == 2


def test_the_worst_pair_comes_first_whether_high_or_low_is_good(cli: Cli, pairs: Pairs) -> None:
    worse = nib.load(pairs.rows[1]["Channel_0"]).get_fdata() + 300
    pairs.rows[1]["made"] = pairs.write("worse", worse)

    for metric in ("mean_absolute_error", "structural_similarity_index"):
        code, _, err = cli(*pairs.words(), "--metrics", metric, "--error-maps", "none")
        page = (pairs.folder / "out" / "report.html").read_text()
        worst = page.partition("The worst pairs")[2]

        assert code == 0, err
        assert worst.index("s1") < worst.index("s0")
        assert (
            ("SSIM and MS-SSIM can mislead" in err)
            == ("SSIM and MS-SSIM can mislead" in page)
            == ("similarity" in metric)
        )
    assert not (pairs.folder / "out" / "error_maps").exists()


def test_voxels_that_count_are_those_of_the_column_asked_for(cli: Cli, pairs: Pairs) -> None:
    words = (*pairs.words("Mask"), "--metrics", "mean_absolute_error", "--error-maps", "none")
    means = []
    for more in ((), ("--mask-column", "none")):
        code, _, err = cli(*words, *more)
        assert code == 0, err
        assert ("2 of 2 pairs are compared inside their Mask only" in err) == (not more)
        means.append(float(read_table(pairs.folder / "out" / "images.csv")[0]["mean_absolute_error"]))

    bright, marked = (
        nib.load(pairs.rows[0][name]).get_fdata() > least for name, least in (("Channel_0", 700), ("Mask", 0))
    )
    assert means == pytest.approx([40 * bright[marked].mean(), 40 * bright.mean()], rel=1e-4)


def test_a_range_is_given_for_decibels(cli: Cli, pairs: Pairs) -> None:
    code, _, err = cli(*pairs.words(), "--metrics", "peak_signal_noise_ratio", "--data-range", -1024, 3071)

    assert code == 0, err
    rows = read_table(pairs.folder / "out" / "images.csv")
    for row, files in zip(rows, pairs.rows, strict=True):
        error = np.mean([40.0**2 * (nib.load(files["Channel_0"]).get_fdata() > 700)])
        assert float(row["peak_signal_noise_ratio"]) == pytest.approx(10 * np.log10(4095**2 / error), rel=1e-5)


def broken_mask(pairs: Pairs) -> Path:
    return pairs.write("elsewhere", np.ones((12, 14, 13)), LPS_AFFINE + np.array([[0, 0, 0, 5.0]] + [[0] * 4] * 3))


@pytest.mark.parametrize(
    ("change", "preset", "message"),
    [
        ({"Mask": broken_mask}, "synthrad", "row 2, column Mask ({path}): lies elsewhere: first voxel at (35, 40, -50)"),
        ({"Mask": lambda pairs: pairs.write("small", np.ones((12, 14, 12)))}, "synthrad",
         "row 2, column Mask ({path}): has 12×14×12 voxels instead of 12×14×13"),
        ({"Mask": lambda pairs: pairs.write("empty", np.zeros((12, 14, 13)))}, "synthrad",
         "row 2, column Mask ({path}): marks nothing"),
        ({"Mask": lambda pairs: pairs.write("share", np.full((12, 14, 13), 0.5))}, "synthrad",
         "row 2, column Mask ({path}): holds other values than whole numbers"),
        ({"Mask": lambda _: ""}, "synthrad", "row 2, column Mask: is missing or empty, and SynthRAD2025"),
        ({"Region": lambda _: ""}, "brats-inpainting", "row 1, column Region or Mask: is missing or empty"),
        ({"Region": lambda pairs: pairs.rows[1]["Mask"], "Source_0": lambda pairs: pairs.write("void", np.zeros((12, 14, 13)))},
         "brats-inpainting", "row 2, column Source_0 ({path}): has no range to bring values to [0, 1] by"),
        ({"Channel_0": lambda pairs: pairs.write("flat", np.full((12, 14, 13), 7))}, "brasyn",
         "row 2, column Channel_0 ({path}): has no range to bring values to [0, 1] by"),
        ({"Channel_0": lambda pairs: pairs.write("flat", np.full((12, 14, 13), 7))}, None,
         "row 2, column Channel_0 ({path}): has one value only, 7"),
        ({"Mask": lambda pairs: pairs.rows[1]["Mask"], "Channel_0": lambda pairs: pairs.write(
            "plateau", 9 * (nib.load(pairs.rows[1]["Mask"]).get_fdata() > 0))}, None,
         "row 2, column Channel_0 ({path}): has one value only where voxels count"),
        ({"made": lambda pairs: pairs.write("shifted", np.ones((12, 14, 13)), np.eye(4))}, None,
         "made.csv row 2, column Channel_0 ({path}): lies elsewhere"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_with_row_and_column_before_any_work(
    cli: Cli, pairs: Pairs, change: dict[str, object], preset: str | None, message: str
) -> None:
    for column, make in change.items():
        pairs.rows[1][column] = path = make(pairs)  # type: ignore[operator]
    columns = sorted({"Mask", *change} - {"made", "Channel_0"} - ({"Mask"} if "Region" in change else set()))
    if "Source_0" in change:
        pairs.rows[0] |= {"Region": pairs.rows[0]["Mask"], "Source_0": pairs.rows[0]["made"]}

    code, _, err = cli(*pairs.words(*columns), *(("--preset", preset) if preset else ()))

    assert code == 3
    assert message.format(path=path) in err
    assert not (pairs.folder / "out" / "images.csv").exists()


def test_what_the_voided_image_is_taken_to_be_is_said(cli: Cli, pairs: Pairs) -> None:
    for index, row in enumerate(pairs.rows):
        volume = nib.load(row["Channel_0"]).get_fdata()
        row["Region"] = pairs.write(f"shell_{index}", (volume > 200) & (volume < 400))

    code, _, err = cli(*pairs.words("Region"), "--preset", "brats-inpainting", "--error-maps", "none")

    assert code == 0, err
    assert "2 of 2 rows have no Source_0: their voided image is taken to be the original with 0 inside the mask" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--preset", "synthrad", "--metrics", "correlation"),
            "--metrics: is fixed by the preset synthrad",
        ),
        (("--preset", "brasyn", "--data-range", "0", "1"), "--data-range: is fixed by the preset brasyn"),
        (("--data-range", "5", "5"), "--data-range: goes from 5 to 5; allowed: two numbers, the smaller one first"),
        (("--segmenter", "cp {in}"), "--segmenter: 'cp {in}' does not name {in} and {out}"),
        (("--segmenter", "cp {in} {output}"), "--segmenter: {output} names no file"),
        (("--segmenter", "no-such-program {in} {out}"), "--segmenter: the program 'no-such-program' is not there"),
    ],
)
def test_options_that_contradict_are_refused(cli: Cli, pairs: Pairs, words: tuple[str, ...], message: str) -> None:
    code, _, err = cli(*pairs.words("Mask"), *words)

    assert code == 2
    assert message in err


def test_options_of_pairs_are_refused_without_paired(cli: Cli, pairs: Pairs) -> None:
    words = [word for word in pairs.words() if word != "--paired"]

    code, _, err = cli(*words, "--preset", "synthrad")

    assert code == 2
    assert "--preset: is for pairs of images, and --paired is missing; add --paired" in err


def segmenter(folder: Path, program: str) -> str:
    """Return the option of a segmenter that is a Python program."""
    path = folder / "segment it.py"
    path.write_text(program)
    return f"{sys.executable} '{path}' {{in}} {{out}}"


@pytest.fixture
def labelled(pairs: Pairs) -> Pairs:
    """Pairs whose images are labels, which a program that copies its input segments."""
    for index, row in enumerate(pairs.rows):
        volume = nib.load(row["Channel_0"]).get_fdata()
        row["Channel_0"] = pairs.write(f"labels_{index}", (volume > 300) * 1 + (volume > 700))
        row["made"] = pairs.write(f"made_{index}", (volume > 300) * 1 + (volume > 720))
        row["Mask"] = row["made"]
    return pairs


def test_a_segmenter_gives_dice_and_distance(cli: Cli, labelled: Pairs) -> None:
    code, _, err = cli(*labelled.words(), "--metrics", "mean_absolute_error", "--segmenter", "cp {in} {out}")

    assert code == 0, err
    for files, row in zip(labelled.rows, read_table(labelled.folder / "out" / "images.csv"), strict=True):
        one, other = (nib.load(files[name]).get_fdata() for name in ("Channel_0", "made"))
        overlaps = [2 * ((one == k) & (other == k)).sum() / ((one == k).sum() + (other == k).sum()) for k in (1, 2)]
        assert float(row["dice"]) == pytest.approx(np.mean(overlaps))
        assert 0 <= float(row["hd95"]) <= 3
    structures = read_table(labelled.folder / "out" / "segmentations" / "structures.csv")
    assert [(row["subject"], row["label"]) for row in structures] == [(s, k) for s in ("s0", "s1") for k in "12"]


def test_brasyn_compares_segmentations_with_the_labels_of_the_mask(cli: Cli, labelled: Pairs) -> None:
    words = ("--preset", "brasyn", "--segmenter", "cp {in} {out}", "--error-maps", "none")

    code, _, err = cli(*labelled.words("Mask"), *words)

    assert code == 0, err
    assert [float(row["dice"]) for row in read_table(labelled.folder / "out" / "images.csv")] == [1, 1]
    assert not (labelled.folder / "out" / "segmentations" / "original").exists()


COPY_ANOTHER = (
    "import shutil, sys; from pathlib import Path; shutil.copy(Path(sys.argv[0]).with_name('{}'), sys.argv[2])"
)


@pytest.mark.parametrize(
    ("program", "more", "message"),
    [
        ("import sys; print('no weights'); sys.exit(7)", (), "ended with code 7; its last lines: no weights"),
        ("", (), "wrote nothing to "),
        ("while True: pass", ("--segmenter-timeout", "0.5"), "did not end within 0.5 seconds"),
        (COPY_ANOTHER.format("elsewhere.nii.gz"), (), "lies elsewhere"),
        (COPY_ANOTHER.format("0_Channel_0.nii.gz"), (), "holds other values than whole numbers"),
        ("import sys; open(sys.argv[2], 'w').write('x')", (), "segmentations/original/s0_row_1.nii.gz, which "),
    ],
)  # fmt: skip
def test_a_segmenter_that_fails_is_told_with_the_row(
    cli: Cli, pairs: Pairs, program: str, more: tuple[str, ...], message: str
) -> None:
    broken_mask(pairs)
    command = segmenter(pairs.folder, program)

    code, _, err = cli(*pairs.words(), "--metrics", "mean_absolute_error", "--segmenter", command, *more)

    assert code == 3
    assert "real.csv row 1: " in err
    assert message in err


def test_sources_that_a_segmenter_wants_are_looked_for_first(cli: Cli, pairs: Pairs) -> None:
    pairs.rows[0]["Source_0"] = pairs.rows[0]["Mask"]

    code, _, err = cli(*pairs.words("Source_0"), "--segmenter", "cp {in} {source_0} {out}")

    assert code == 3
    assert "real.csv row 2, column Source_0: is missing or empty, and --segmenter names it" in err
