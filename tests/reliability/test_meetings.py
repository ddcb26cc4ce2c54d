"""Where abilities meet: each works alone, and these go from one to the other."""

import json
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from tests.factories import (
    Cli,
    blob,
    image_of,
    put_into_study,
    read_table,
    spec_of,
    write_model,
    write_nifti,
    write_series,
    write_table,
)
from tests.processes import same_state

from gandlf_synth import registry
from gandlf_synth.config import Document, InitFrom, PhasedSteps, validate
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.formats.shards.encoding import decode, encode
from gandlf_synth.data.loading.prepared import write_samples
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.value_range import ValueRange
from gandlf_synth.data.table.stored_manifest import rows_of_store
from gandlf_synth.evaluation.image_sets import load_image_set
from gandlf_synth.evaluation.paired.comparison import Comparison
from gandlf_synth.evaluation.paired.pairs import match_pairs
from gandlf_synth.geometry import Affine
from gandlf_synth.pretrained.parent import Parent
from gandlf_synth.pretrained.terms import Terms
from gandlf_synth.progress import no_progress
from gandlf_synth.training.data import TrainingData
from gandlf_synth.training.trained_start import with_values_of

OBLIQUE = np.array([[-1.2, 0.1, 0, 20], [0.1, -0.9, 0.05, 30], [0, 0.04, 2.5, -40], [0, 0, 0, 1]])
SKEW = np.array([[1.0, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def write_pairs(folder: Path, shape: tuple[int, ...], affine: Affine = OBLIQUE, subjects: str = "abc") -> Path:
    rows = []
    for number in range(3):
        image = write_nifti(folder / f"{number}.nii.gz", blob(shape, number), affine)
        source = write_nifti(folder / f"source{number}.nii.gz", 1000 - blob(shape, number), affine)
        rows.append((subjects[number], image, source))
    return write_table(folder / "data.csv", ("SubjectID", "Channel_0", "Source_0"), rows)


def write_config(path: Path, name: str, **content: object) -> Path:
    section = {"model_name": name, **content.pop("section", {})}  # type: ignore[dict-item]
    machine = {"accelerator": "cpu", "precision": 32}
    path.write_text(
        json.dumps({"model_config": section, "num_epochs": 1, "batch_size": 2, "compute": machine, **content})
    )
    return path


def test_a_store_of_images_larger_than_a_patch_is_trained_on_as_it_was_prepared(cli: Cli, tmp_path: Path) -> None:
    table = write_pairs(tmp_path, (72, 80, 1))
    options = {"section": {"conditioning": ["image"], "architecture": "XS"}}
    config = write_config(tmp_path / "c.json", "pix2pix", **options)
    assert cli("prepare", "-c", config, "-dt", table, "-o", tmp_path / "store")[0] == 0
    located = write_config(tmp_path / "l.json", "pix2pix", data_store={"location": str(tmp_path / "store")}, **options)

    code, out, _ = cli("check", "-c", located, "--fast")
    assert code == 0, out
    assert "64×64, 1 channel" in out
    assert "patches of their own voxels" in out
    assert cli("preview", "-c", located, "-o", tmp_path / "preview", "-n", 2)[0] == 0
    _, _, err = cli("check", "-c", config, "--fast")
    assert "-dt: is missing: nothing says what to train on" in err

    config = write_config(tmp_path / "d.json", "ddpm")
    _, out, _ = cli("check", "-c", config, "-dt", tmp_path / "store", "--fast")
    assert "patch_sampler" in out
    assert "is missing, and the store" in out


def test_latents_with_image_conditions_learn_the_same_from_a_store(cli: Cli, tmp_path: Path) -> None:
    table = write_pairs(tmp_path, (16, 16, 1))
    section = {**registry.load("models", "latent_diffusion").tiny, "tensor_shape": [16, 16], "conditioning": ["image"]}
    config = write_config(tmp_path / "c.json", "latent_diffusion", section=section)
    assert cli("prepare", "-c", config, "-dt", table, "-o", tmp_path / "store", "--dtype", "float32")[0] == 0
    for name, data in (("csv", table), ("stored", tmp_path / "store")):
        code, _, err = cli("train", "-c", config, "-dt", data, "-m-dir", tmp_path / name)
        assert code == 0, err
        assert "generate -m-dir" in err
        assert "-dt rows.csv" in err

    assert same_state(*(tmp_path / name / "checkpoints" / "last.ckpt" for name in ("csv", "stored")))
    _, _, err = cli("train", "-c", config, "-dt", table, "-m-dir", tmp_path / "stored", "--resume")
    assert f"{table}: is a CSV, and the run began with a store; resume with that, or use --new-data" in err


def test_a_store_of_generated_images_keeps_their_columns(cli: Cli, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", spec_of(channels=2, classes=0, shape=(16, 16)))
    for form in ("nifti", "store"):
        assert cli("generate", "-m-dir", model, "-n", 2, "--format", form, "-i-dir", tmp_path / form)[0] == 0

    (store,) = tmp_path.glob("store/*/store")
    rows = rows_of_store(store).samples
    (folder,) = (tmp_path / "nifti").iterdir()
    for number, sample in enumerate(rows):
        for column, path in enumerate(sample.channels):
            file = read_image(folder / f"generated_image_{number}_t{column}.nii.gz")
            assert np.array_equal(read_image(path).array, file.array)


@pytest.mark.parametrize(("low", "high"), [(0, 65535), (1, 65536), (-32768, 32767)])
def test_whole_numbers_of_16_bits_are_kept_exactly_by_a_store(low: int, high: int) -> None:
    values = np.array([[low, (low + high) // 3, high]], np.float32)
    encoded = encode(values, "int16")

    assert encoded.largest_error == 0
    assert np.array_equal(decode(encoded.array, encoded.gain, encoded.bias), values)


def translating_spec() -> DataSpec:
    return spec_of(
        classes=0, shape=(16, 16), source_channels=(1,), source_names=("s",), source_scale=(0.01,), source_offset=(-1.0,),
        conditions=[{"name": "image", "conditioner": "image", "kind": "channels", "size": 2, "images": [1]}],
    )  # fmt: skip


def test_slices_of_one_subject_are_compared_with_the_rows_that_they_were_made_from(cli: Cli, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", translating_spec())
    table = write_pairs(tmp_path, (16, 16, 1), subjects="aab")
    assert cli("generate", "-m-dir", model, "-dt", table, "-i-dir", tmp_path / "out")[0] == 0

    sets = [
        load_image_set(name, path, tmp_path / "cache", no_progress, skip_unreadable=False)
        for name, path in (("real", table), ("synthetic", tmp_path / "out"))
    ]
    pairs, notes = match_pairs(sets[0], sets[1], Comparison(metrics={}))
    assert [pair.original.row for pair in pairs] == [pair.reconstruction.row for pair in pairs] == [1, 2, 3]
    assert [pair.reconstruction.channels[0].name for pair in pairs][2] == "b_synthetic.nii.gz"
    assert notes == []


def test_what_rows_ask_of_a_model_is_refused_before_anything_is_made(cli: Cli, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", translating_spec())
    table = write_pairs(tmp_path, (16, 16, 1), SKEW)
    words = ("generate", "-m-dir", model, "-dt", table, "-i-dir", tmp_path / "out")

    code, _, err = cli(*words, "--format", "dicom")
    assert code == 3
    assert err.count("has axes that are not at right angles, which DICOM cannot hold") == 3
    assert f"{table} row 1: {tmp_path}/source0.nii.gz has axes" in err
    code, _, err = cli(*words, "--format", "store")
    assert code == 2
    assert "'store' is for new images; what is made from given ones goes into files of their own" in err
    assert not (tmp_path / "out").exists()


def test_reconstructions_of_dicom_images_are_dicom_beside_them(cli: Cli, tmp_path: Path) -> None:
    write_series(tmp_path / "series", slices=8)
    series = put_into_study(tmp_path / "series", "1.2.3")
    original = read_image(series)
    spec = spec_of(
        classes=0,
        spatial_dims=3,
        shape=original.geometry.shape,
        affine=original.geometry.affine.tolist(),
        modality="rad",
    )
    model = write_model(tmp_path / "model", spec, "autoencoder_kl", **registry.load("models", "autoencoder_kl").tiny)
    table = write_table(tmp_path / "in.csv", ("SubjectID", "Channel_0"), [("a", series)])

    code, _, err = cli("reconstruct", "-m-dir", model, "-dt", table, "-i-dir", tmp_path, "--format", "dicom")

    assert code == 0, err
    (made,) = tmp_path.glob("*_inference_output/reconstruction_1")
    back = read_image(made)
    assert np.allclose(back.geometry.affine, original.geometry.affine, atol=1e-4)
    assert back.geometry.shape == original.geometry.shape
    headers = [one_header(folder) for folder in (made, series)]
    assert headers[0].StudyInstanceUID == headers[1].StudyInstanceUID
    assert headers[0].SeriesInstanceUID != headers[1].SeriesInstanceUID
    assert headers[0].SyntheticData == "YES"
    assert len(read_table(made.parent / "reconstructions.csv")) == 1
    assert cli("doctor", made.parent)[0] == 0
    code, _, err = cli("reconstruct", "-m-dir", model, "-dt", table, "--format", "store")
    assert code == 2
    assert "'store' is for new images" in err


def one_header(folder: Path) -> Dataset:
    return dcmread(sorted(folder.iterdir())[0], stop_before_pixels=True)


def test_a_branch_is_refused_to_a_model_of_other_images_before_anything_is_written(cli: Cli, tmp_path: Path) -> None:
    table = write_pairs(tmp_path, (16, 16, 1))
    tiny = {"model_name": "ddpm"}
    for name, family, shape in (("other", "flow_matching", (16, 16)), ("small", "ddpm", (8, 8))):
        own = registry.load("models", family).tiny
        model = write_model(tmp_path / name, spec_of(classes=0, shape=shape), family, **own)
        (model / "resolved_config.yaml").write_text(json.dumps({"model_config": {**tiny, "model_name": family}}))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "resolved_config.yaml").write_text(json.dumps({"model_config": tiny}))

    messages = {
        "other": "is a flow_matching model, and ddpm builds on one of ddpm",
        "small": "was trained on images of 8×8, and these have 16×16; write model_config.tensor_shape: [8, 8]",
        "empty": "holds no checkpoint",
    }
    for name, message in messages.items():
        section = {"conditioning": ["image"], "controlnet_from": str(tmp_path / name)}
        config = write_config(tmp_path / "c.json", "ddpm", section=section)
        code, _, err = cli("train", "-c", config, "-dt", table, "-m-dir", tmp_path / "model")
        assert code == 4, err
        assert message in err
        assert not (tmp_path / "model").exists()


def test_a_mask_that_holds_no_labels_is_named_with_its_own_column(cli: Cli, tmp_path: Path) -> None:
    image = write_nifti(tmp_path / "image.nii.gz", blob((16, 16, 1), 1), OBLIQUE)
    mask = write_nifti(tmp_path / "mask.nii.gz", blob((16, 16, 1), 1), OBLIQUE)
    table = write_table(tmp_path / "data.csv", ("SubjectID", "Channel_0", "Mask"), [("a", image, mask)])
    config = write_config(tmp_path / "c.json", "ddpm", section={"tensor_shape": [16, 16]})

    code, _, err = cli("prepare", "-c", config, "-dt", table, "-o", tmp_path / "store")

    assert code == 3
    assert f"{table} row 1, column Mask ({mask}): cannot be preprocessed: the mask holds other values than whole" in err


def test_a_model_that_starts_from_another_sees_sources_as_that_one_did(tmp_path: Path) -> None:
    sources = {"source_channels": (1,), "source_names": ("s",)}
    theirs = spec_of(classes=0, **sources, source_scale=(0.5,), source_offset=(0.25,), range_scale=(0.1,))
    own = spec_of(classes=0, **sources, source_scale=(0.01,), source_offset=(-1.0,))
    parent = Parent(InitFrom(path="p"), "gandlf-synth", {}, {}, (), theirs, PhasedSteps(), None, Terms(), "0")
    samples = write_samples([image_of(np.stack([blob((16, 16), 1)] * 2))], tmp_path)
    data = TrainingData({}, {"train": samples}, ValueRange.with_sources(own), own)
    config = validate(Document("c", {"model_config": {"model_name": "ddpm"}})).config

    seen = with_values_of(parent, data, config)

    assert seen.value_range.scale.tolist() == [0.1, 0.5]
    assert (seen.spec.source_scale, seen.spec.source_offset) == ((0.5,), (0.25,))
