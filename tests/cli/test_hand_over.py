"""Synthetic images leave the house: as BIDS, described, signed; and whoever gets them can tell whether they are so."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from cryptography.hazmat.primitives import serialization as keys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image as Picture
from tests.factories import Cli, read_table, spec_of, write_model

from gandlf_synth.cli.main import main
from gandlf_synth.data.formats.readers import read_image

SPEC = spec_of(
    channels=2, classes=2, spatial_dims=3, shape=(8, 8, 8), column_names=("t1", "t2"), dtype="int16",
    affine=np.diag([2.0, 2, 2, 1]).tolist(), class_names=("glioma", "no tumour"),
)  # fmt: skip
PICTURES = spec_of("uint8", channels=1, classes=0, shape=(8, 8), column_names=("image",), physical=False)


def write_key(path: Path) -> Path:
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(keys.Encoding.PEM, keys.PrivateFormat.PKCS8, keys.NoEncryption()))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key, a model, signed volumes as BIDS in ``bids`` and pictures in ``plain``."""
    root = tmp_path_factory.mktemp("made")
    write_key(root / "key.pem")
    write_model(root / "volumes", SPEC)
    write_model(root / "pictures", PICTURES)
    common = ("-n", "3", "-i-dir", str(root / "out"))
    bids = ("--layout", "bids", "--sign-key", str(root / "key.pem"))
    assert main(["-q", "generate", "-m-dir", str(root / "volumes"), *common, *bids]) == 0
    assert main(["-q", "generate", "-m-dir", str(root / "pictures"), *common, "--format", "png"]) == 0
    (root / "out" / "volumes_inference_output").rename(root / "bids")
    (root / "out" / "pictures_inference_output").rename(root / "plain")
    return root


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "copied"))


def test_a_bids_derivative_says_what_it_is(made: Path) -> None:
    folder = made / "bids"
    description = json.loads((folder / "dataset_description.json").read_text())

    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "GaNDLF-Synth"
    assert description["SourceDatasets"]
    assert (folder / "participants.tsv").read_text().splitlines() == [
        "participant_id\tlabel\tclass", "sub-SYNTH001\t3\tglioma", "sub-SYNTH002\t4\tno tumour", "sub-SYNTH003\t3\tglioma",
    ]  # fmt: skip
    assert set(json.loads((folder / "participants.json").read_text())) == {"participant_id", "label", "class"}
    names = sorted(path.name for path in (folder / "sub-SYNTH001" / "anat").iterdir())
    stem = "sub-SYNTH001_desc-synthetic"
    assert names == [f"{stem}_T1w.json", f"{stem}_T1w.nii.gz", f"{stem}_T2w.json", f"{stem}_T2w.nii.gz"]
    assert json.loads((folder / "sub-SYNTH001" / "anat" / names[0]).read_text())["SkullStripped"] is False


def test_a_croissant_describes_the_images(made: Path) -> None:
    for folder in (made / "bids", made / "plain"):
        croissant = json.loads((folder / "croissant.json").read_text())
        table = folder / croissant["distribution"][0]["contentUrl"]
        fields = [field["source"]["extract"]["column"] for field in croissant["recordSet"][0]["field"]]

        assert "http://mlcommons.org/croissant/1.0" in croissant["conformsTo"]
        assert croissant["rai:personalSensitiveInformation"]
        assert fields == list(read_table(table)[0])
        assert all((table.parent / row["Channel_0"]).is_file() for row in read_table(table))


def test_bids_resumes_with_the_same_bytes_and_holds_the_images_of_the_plain_layout(cli: Cli, copied: Path) -> None:
    (copied / "bids").rename(copied / "out" / "volumes_inference_output")
    folder = copied / "out" / "volumes_inference_output"
    lost = folder / "sub-SYNTH002" / "anat" / "sub-SYNTH002_desc-synthetic_T2w.nii.gz"
    before = lost.read_bytes()
    lost.unlink()
    words = ("-m-dir", copied / "volumes", "-n", 3, "-i-dir", copied / "out")

    again = cli("generate", *words, "--layout", "bids", "--sign-key", copied / "key.pem", "--resume")
    plain = cli("generate", *words)

    assert again[1].strip() == str(folder)
    assert lost.read_bytes() == before
    assert np.array_equal(
        read_image(lost).array, read_image(Path(plain[1].strip()) / "generated_image_1_label_4_t2.nii.gz").array
    )


def test_doctor_finds_everything_as_it_was_made(cli: Cli, made: Path) -> None:
    code, out, _ = cli("doctor", made / "bids", "--public-key", made / "key.pem")
    assert code == 0, out
    assert "8 files: 8 as they were made (6 signed), 0 not" in out

    code, out, _ = cli("doctor", made / "plain", "--json")
    assert code == 0, out
    verdicts = {Path(verdict["file"]).name: verdict["sentence"] for verdict in json.loads(out)}
    assert verdicts["generated_image_0.png"] == "is as it was made; it is not signed"
    assert "is marked as synthetic" in verdicts["contact_sheet.png"]


def change_voxel(path: Path) -> None:
    image = nib.load(path)
    voxels = np.asanyarray(image.dataobj).copy()
    voxels[0, 0, 0] += 1
    nib.save(type(image)(voxels, image.affine, image.header), path)


def change_header(path: Path) -> None:
    image = nib.load(path)
    image.header["cal_max"] = 100
    nib.save(image, path)


def change_sidecar(path: Path) -> None:
    sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "class": "no tumour"}))


def forge(path: Path) -> None:
    """Change pixels and every digest of them, and take the signatures away."""
    change_voxel(path)
    sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))
    content = json.loads(sidecar.read_text())
    del content["signature"]
    content["pixels_sha256"][path.name] = "0"
    sidecar.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        (change_voxel, 3, "was changed: its pixels are not those that were made"),
        (
            change_header,
            0,
            "has the pixels that were made; the rest of the file was written anew; signed with the given",
        ),
        (change_sidecar, 3, "is not as it was signed: what it or its sidecar says was changed"),
        (forge, 3, "was changed: its pixels are not those that were made"),
        (Path.unlink, 3, "is missing: its sidecar names it"),
        (lambda path: path.write_bytes(path.read_bytes()[:200]), 3, "cannot be read: it is damaged"),
    ],
)
def test_doctor_finds_what_was_changed(
    cli: Cli, copied: Path, change: Callable[[Path], object], code: int, sentence: str
) -> None:
    name = "sub-SYNTH001/anat/sub-SYNTH001_desc-synthetic_T1w.nii.gz"
    change(copied / "bids" / name)

    found, out, err = cli("doctor", copied / "bids", "--public-key", copied / "key.pem")

    assert found == code, out + err
    assert f"{name} {sentence}" in out
    assert sum(line.startswith("NOT OK") for line in out.splitlines()) == (1 if code else 0)


def test_doctor_finds_another_key_and_none(cli: Cli, made: Path, tmp_path: Path) -> None:
    other = write_key(tmp_path / "other.pem")

    code, out, _ = cli("doctor", made / "bids", "--public-key", other)
    assert code == 3
    assert "is signed with another key" in out

    code, out, _ = cli("doctor", made / "plain", "--public-key", other)
    assert code == 3
    assert "generated_image_0.png is not signed" in out


def test_doctor_tells_real_images_and_removed_marks(cli: Cli, copied: Path) -> None:
    with Picture.open(copied / "plain" / "generated_image_0.png") as picture:
        Picture.fromarray(np.asarray(picture)).save(copied / "plain" / "generated_image_0.png")
    Picture.fromarray(np.zeros((8, 8), np.uint8)).save(copied / "plain" / "scan.png")
    table = copied / "plain" / "inference_logs" / "images.csv"
    table.write_text(table.read_text() + "real,scan.png\n")

    code, out, _ = cli("doctor", copied / "plain")

    assert code == 3
    assert "generated_image_0.png was changed: the record of its origin was removed from it" in out
    assert "scan.png carries no mark" in out
    assert "croissant.json is of another inference_logs/images.csv" in out


def test_doctor_of_one_file_tells_its_origin_too(cli: Cli, made: Path) -> None:
    code, out, err = cli("doctor", made / "plain" / "generated_image_1.png")

    assert code == 0
    assert json.loads(out)["index"] == 1
    assert "is as it was made; it is not signed" in err


def test_what_contradicts_a_layout_is_told_before_anything_is_made(cli: Cli, made: Path, tmp_path: Path) -> None:
    words = ("generate", "-m-dir", made / "pictures", "-n", 1, "-i-dir", tmp_path / "out")

    code, _, err = cli(*words, "--bids-suffix", "T1w")
    assert code == 2
    assert "--bids-suffix: works only with --layout bids" in err

    code, _, err = cli(*words, "--layout", "bids", "--format", "png")
    assert code == 2
    assert "--layout bids: holds NIfTI files, not .png" in err
    assert not (tmp_path / "out").exists()


def test_doctor_looks_into_every_slice_of_dicom(cli: Cli, made: Path, tmp_path: Path) -> None:
    words = ("-n", 1, "-i-dir", tmp_path, "--format", "dicom", "--sign-key", made / "key.pem")
    code, out, err = cli("generate", "-m-dir", made / "volumes", *words)
    assert code == 0, err
    folder = Path(out.strip())
    series = folder / "generated_image_0_label_3_t1"
    check = ("doctor", folder, "--public-key", made / "key.pem")
    code, out, _ = cli(*check)
    assert code == 0, out
    assert f"{series.name} is as it was made; signed with the given key" in out

    last = sorted(series.iterdir())[-1]
    whole = last.read_bytes()
    dataset = pydicom.dcmread(last)
    dataset.SyntheticData = "NO"
    dataset.save_as(last)
    code, out, _ = cli(*check)
    assert code == 3
    assert f"{series.name} was changed: Synthetic Data (0008,001C) of a slice was removed from it" in out

    last.write_bytes(whole)
    dataset = pydicom.dcmread(last)
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.save_as(last)
    code, out, _ = cli(*check)
    assert code == 3
    assert f"{series.name} was changed: its pixels are not those that were made" in out
