"""Images prepared once into a store: by one task or several, killed and repeated, and trained on as from their CSV."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.factories import Cli, TinyConfig, blob_picture, write_picture, write_pictures_table, write_table
from tests.processes import same_state

from gandlf_synth import api
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.formats.shards.index import open_store, store_location
from gandlf_synth.data.formats.shards.local_copies import LocalShards
from gandlf_synth.data.formats.shards.location import Location
from gandlf_synth.data.loading.stored_samples import StoredSamples
from gandlf_synth.data.table.manifest import read_manifest
from gandlf_synth.data.table.stored_manifest import StoredManifest, rows_of_store
from gandlf_synth.models.checkpoint import read_checkpoint
from gandlf_synth.training.store_preparation import PreparationRequest

SHARD = 16 * 16 * 4 * 6
"""Bytes of six pictures in float32."""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_pictures_table(tmp_path / "data", 20, ("a", "b"))


def files_of(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def samples_of(store: Path) -> StoredSamples:
    whole = open_store(store_location(store), store)
    return StoredSamples(StoredManifest.of(whole), LocalShards(whole, None, None), store)


def test_a_run_from_a_store_is_the_run_from_its_csv(
    cli: Cli, tiny_config: TinyConfig, table: Path, tmp_path: Path
) -> None:
    config = tiny_config([16, 16])
    cli("train", "-c", config, "-dt", table, "-m-dir", tmp_path / "csv", "-vr", 0.2)
    for dtype in ("float32", "float16"):
        store = tmp_path / dtype
        code, out, err = cli("prepare", "-c", config, "-dt", table, "-o", store, "--dtype", dtype)
        assert code == 0, err
        assert ("nothing is rounded" if dtype == "float32" else "of the range of an image") in out
        code, _, err = cli("train", "-c", config, "-dt", store, "-m-dir", tmp_path / f"model_{dtype}", "-vr", 0.2)
        assert code == 0, err

    csv, exact, half = (
        tmp_path / name / "checkpoints" / "last.ckpt" for name in ("csv", "model_float32", "model_float16")
    )
    assert same_state(csv, exact)
    weights = [read_checkpoint(path)["state_dict"] for path in (csv, half)]
    assert all(torch.allclose(weights[0][name], weights[1][name], atol=1e-3) for name in weights[0])


def test_tasks_share_the_work_and_one_that_was_killed_goes_on(
    tiny_config: TinyConfig, table: Path, tmp_path: Path
) -> None:
    config, one, many = tiny_config([16, 16]), tmp_path / "one", tmp_path / "many"
    whole = api.prepare(PreparationRequest(config, table, one, (1, 1), "float32", shard_bytes=SHARD))
    results = [
        api.prepare(PreparationRequest(config, table, many, (task, 3), "float32", shard_bytes=SHARD))
        for task in (2, 1, 3)
    ]

    assert [result.missing for result in results] == [3, 1, 0]
    assert (whole.shards, whole.rows) == (4, 20)
    assert files_of(many) == files_of(one)

    (many / "shards" / "000002.part").unlink()
    (many / "shards" / "000001.bin").write_bytes(b"half")
    untouched = (many / "shards" / "000000.bin").stat().st_mtime_ns
    api.prepare(PreparationRequest(config, table, many, (1, 1), "float32", shard_bytes=SHARD))
    assert files_of(many) == files_of(one)
    assert (many / "shards" / "000000.bin").stat().st_mtime_ns == untouched


def test_masks_labels_and_columns_travel(tiny_config: TinyConfig, tmp_path: Path) -> None:
    images = [write_picture(tmp_path / f"{n}.png", blob_picture(16, n)) for n in range(4)]
    masks = [write_picture(tmp_path / f"m{n}.png", (blob_picture(16, n) > 60 + n).astype(np.uint8)) for n in range(3)]
    rows = [(f"s{n}", image, masks[n] if n < 3 else "", n % 2, 50 + n) for n, image in enumerate(images)]
    table = write_table(tmp_path / "data.csv", ("SubjectID", "Channel_0", "Mask", "Label", "Age"), rows)

    api.prepare(PreparationRequest(tiny_config([16, 16]), table, tmp_path / "store", shard_bytes=SHARD))
    samples = samples_of(tmp_path / "store")
    written = StoredManifest.of(samples.store)

    for place in range(3):
        mask = samples.mask(place)
        assert mask is not None
        assert np.array_equal(mask, np.greater(blob_picture(16, place).T, 60 + place))
    assert samples.mask(3) is None
    assert written.mask_labels == (0, 1)
    assert [(each.subject, each.label, each.extra["Age"]) for each in written.samples] == [
        (f"s{n}", n % 2, str(50 + n)) for n in range(4)
    ]
    assert written.presence.targets.all()
    assert not written.presence.sources.any()
    assert not written.presence.regions.any()
    assert written.presence.masks.tolist() == [True, True, True, False]
    assert written.label_counts == {0: 2, 1: 2}


def test_rows_without_an_image_or_a_source_are_told_apart_in_a_store_too(
    tiny_config: TinyConfig, tmp_path: Path
) -> None:
    images = [write_picture(tmp_path / f"{n}.png", blob_picture(16, n)) for n in range(6)]
    rows = [("a", images[0], images[1]), ("b", "", images[2]), ("c", images[3], images[4]), ("d", images[5], images[0])]
    table = write_table(tmp_path / "data.csv", ("SubjectID", "Channel_0", "Source_0"), rows)
    config = tiny_config([16, 16])
    text = config.read_text().replace("model_config:", "model_config:\n  conditioning: [image]", 1)
    config.write_text(text)

    api.prepare(PreparationRequest(config, table, tmp_path / "store"))
    written = StoredManifest.of(samples_of(tmp_path / "store").store)

    assert written.presence.targets.tolist() == [True, False, True, True]
    assert written.presence.sources.all()
    assert written.presence.sources.tolist() == [any(sample.sources) for sample in written.samples]


def test_what_is_wrong_with_a_call_is_said(cli: Cli, tiny_config: TinyConfig, table: Path, tmp_path: Path) -> None:
    config, store = tiny_config([16, 16]), tmp_path / "store"
    words = ("prepare", "-c", config, "-dt", table, "-o", store)

    assert "is '3-16'; allowed: K/N, such as 3/16" in cli(*words, "--shard", "3-16")[2]
    assert "is 0/16; allowed: 1/16 to 16/16; with Slurm: #SBATCH --array=1-16" in cli(*words, "--shard", "0/16")[2]
    assert "-o: is missing: nothing says where the store goes" in cli(*words[:5])[2]
    assert "-dt: is missing: nothing says what to train on" in cli("train", *words[1:3], "-m-dir", "m")[2]
    assert "http only reads" in cli(*words[:6], "http://127.0.0.1:9/store")[2]
    assert cli(*words)[0] == 0
    assert f"store {store}: was begun with dtype float16; go on with the same" in cli(*words, "--dtype", "int16")[2]

    train = ("train", "-dt", store, "-m-dir", tmp_path / "model")
    other = tiny_config([16, 16], "data_preprocessing: {train: {resize: [16, 16], normalize: null}}")
    assert f"data_preprocessing: differs from that of the store {store}" in cli(*train, "-c", other)[2]
    small = tiny_config([8, 8])
    assert f"is [8, 8], and the images of the store {store} have [16, 16]" in cli(*train, "-c", small)[2]
    config = tiny_config([16, 16])
    others = tmp_path / "others.csv"
    others.write_text(table.read_text().replace("\ns", "\nv"))
    err = cli(*train, "-c", config, "-v-csv", others)[2]
    assert "is a CSV for val, and the training images are a store; prepare them alike" in err
    (store / "shards" / "000000.bin").write_bytes(b"")
    assert "has 0 bytes where the index says 10,240; copy the store again" in cli(*train, "-c", config)[2]
    assert not (tmp_path / "model").exists()
    (store / "images.store").write_text("{}")
    assert "has the format None, and this version reads 1" in cli(*train, "-c", config)[2]


def test_generated_images_in_a_store_are_those_of_files_and_are_trained_on_and_evaluated(
    cli: Cli, tiny_config: TinyConfig, table: Path, tmp_path: Path
) -> None:
    config, model = tiny_config([16, 16]), tmp_path / "model"
    assert cli("train", "-c", config, "-dt", table, "-m-dir", model)[0] == 0
    outputs = {name: tmp_path / name for name in ("tiff", "store")}
    for name, output in outputs.items():
        code, _, err = cli("generate", "-m-dir", model, "-n", 6, "--format", name, "-i-dir", output)
        assert code == 0, err
    store = outputs["store"] / "model_inference_output" / "store"

    files = read_manifest(outputs["tiff"] / "model_inference_output" / "inference_logs" / "images.csv").samples
    stored = rows_of_store(store).samples
    assert [(each.subject, each.label, each.label_name) for each in stored] == [
        (each.subject, each.label, each.label_name) for each in files
    ]
    for one, other in zip(stored, files, strict=True):
        assert np.array_equal(read_image(one.channels[0]).array, read_image(other.channels[0]).array)
    about = json.loads((store / "images.store").read_text())["provenance"]
    assert (about["synthetic"], about["sampling"]["num_inference_steps"]) == (True, 2)

    code, _, err = cli("prepare", "-c", config, "-dt", store, "-o", tmp_path / "prepared")
    assert code == 0, err
    words = ("-r", table, "-s", store, "-o", tmp_path / "report", "--extractor", "random-conv")
    code, _, err = cli("evaluate", *words)
    assert code == 0, err


def test_a_store_is_generated_behind_a_url_and_nothing_else_is_written_there(
    cli: Cli, tiny_config: TinyConfig, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config, model, url = tiny_config([16, 16]), tmp_path / "model", f"memory://box/{tmp_path.name}"
    assert cli("train", "-c", config, "-dt", table, "-m-dir", model)[0] == 0
    words = ("generate", "-m-dir", model, "-n", 4, "-i-dir")

    for output, mode in ((tmp_path / "near", ()), (url, ()), (url, ("--resume",))):
        code, out, err = cli(*words, output, "--format", "store", *mode)
        assert code == 0, err

    assert out.split()[-1] == str(model / "model_inference_output")
    far, near = (Location(f"{place}/model_inference_output/store") for place in (url, tmp_path / "near"))
    assert f"of the store {far} and" in err
    for name in ("index.bin", "text.bin", "shards/000000.bin"):
        assert far.read(name) == near.read(name)
    assert [sample.subject for sample in rows_of_store(Path(far.url)).samples][-1] == "generated_image_3"

    (model / "model_inference_output").rename(tmp_path / "elsewhere")
    code, _, err = cli(*words, url, "--format", "store", "--seed", 7)
    assert (code, f"store {far}: holds images of another call; name another place" in err) == (2, True)
    code, _, err = cli(*words, url, "--format", "tiff")
    assert (code, f"-i-dir {url}: is a URL, where only a store can be written; give a folder" in err) == (2, True)
    for refused in (("export", "-m-dir", model, "-o", url), ("train", "-c", config, "-dt", table, "-m-dir", url)):
        code, _, err = cli(*refused)
        assert (code, f"{url}: is a URL, and nothing can be written there; give a folder" in err) == (2, True)
    assert not list(tmp_path.glob("memory*"))
