"""A model leaves the program in forms that others can use, and computes the same there."""

import json
from pathlib import Path

import monai.bundle
import numpy as np
import torch
from ruamel.yaml import YAML
from tests.factories import Cli

from gandlf_synth import SyntheticDataset, load_model
from gandlf_synth.data.formats.readers import read_image


def test_weights_alone_make_the_same_images(cli: Cli, pictures_model: Path, tmp_path: Path) -> None:
    code, out, err = cli("export", "-m-dir", pictures_model, "-o", tmp_path / "out")
    assert code == 0, err

    made = []
    for words in ((), ("-ckpt-path", tmp_path / "out" / "model.safetensors")):
        code, out, err = cli("generate", "-m-dir", pictures_model, "-n", 2, "-i-dir", tmp_path / "images", *words)
        assert code == 0, err
        made.append([read_image(path).array for path in sorted(Path(out.strip()).glob("*.tiff"))])

    assert np.array_equal(made[0], made[1])
    card = (tmp_path / "out" / "README.md").read_text()
    assert "Not a medical device" in card
    assert "benign, tumour" in card
    assert "or newer, installed from its source or a wheel" in card  # it is on no package index


def test_networks_compute_the_same_elsewhere(cli: Cli, pictures_model: Path, tmp_path: Path) -> None:
    import onnxruntime

    code, _, err = cli(
        "export", "-m-dir", pictures_model, "-o", tmp_path / "out", "--format", "torchscript", "--format", "onnx"
    )
    assert code == 0, err

    denoiser = load_model(pictures_model).process.denoiser.eval()
    inputs = (torch.randn(2, 3, 8, 8), torch.tensor([1, 9]), torch.tensor([1, 0]))
    with torch.inference_mode():
        expected = denoiser(*inputs)
        scripted = torch.jit.load(tmp_path / "out" / "denoiser.pt")(*inputs)
    session = onnxruntime.InferenceSession(tmp_path / "out" / "denoiser.onnx", providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    (found,) = session.run(None, {name: value.numpy() for name, value in zip(names, inputs, strict=True)})

    assert torch.allclose(scripted, expected, atol=1e-4)
    assert np.allclose(found, expected, atol=1e-4)


def test_monai_runs_the_bundle(cli: Cli, pictures_model: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    assert cli("export", "-m-dir", pictures_model, "-o", bundle, "--format", "bundle")[0] == 0
    assert json.loads((bundle / "configs" / "metadata.json").read_text())["monai_version"]

    monai.bundle.run(
        config_file=str(bundle / "configs" / "inference.json"), meta_file=str(bundle / "configs" / "metadata.json"),
        bundle_root=str(bundle), num_images=2,
    )  # fmt: skip

    assert len(list((bundle / "eval").rglob("generated_image_*.tiff"))) == 2


def test_a_folder_with_something_in_it_is_left_alone(cli: Cli, pictures_model: Path) -> None:
    code, _, err = cli("export", "-m-dir", pictures_model, "-o", pictures_model)

    assert code == 2
    assert "is not empty" in err


def test_a_trained_generator_is_a_dataset(pictures_model: Path) -> None:
    dataset = SyntheticDataset(load_model(pictures_model), {"tumour": 2, "benign": 1}, seed=5)

    batch = next(iter(torch.utils.data.DataLoader(dataset, batch_size=3)))

    assert batch["image"].shape == (3, 3, 8, 8)
    assert batch["label"].tolist() == [1, 1, 0]
    assert torch.allclose(dataset[2]["image"], batch["image"][2], atol=1e-4)


def test_an_exported_folder_makes_the_images_of_the_model_folder(
    cli: Cli, pictures_model: Path, tmp_path: Path
) -> None:
    record = json.loads((pictures_model / "run.json").read_text())
    record["init_from"] = {
        "source": "/home/me/parent",
        "license": "cc-by-nc-4.0",
        "origin": "10 hospitals",
        "loaded": 7,
    }
    record["init_from"]["non_commercial"] = True
    (pictures_model / "run.json").write_text(json.dumps(record))
    words = ("-m-dir", pictures_model, "-o", tmp_path / "out", "--license", "cc-by-4.0")
    code, _, err = cli("export", *words)
    assert code == 0, err

    made = []
    for model in (pictures_model, tmp_path / "out"):
        code, out, err = cli("generate", "-m-dir", model, "-n", 2, "-i-dir", tmp_path / "images", "--seed", 3)
        assert code == 0, err
        made.append([read_image(path).array for path in sorted(Path(out.strip()).glob("*.tiff"))])

    assert len(made[0]) == 2
    assert np.array_equal(made[0], made[1])
    card = (tmp_path / "out" / "README.md").read_text()
    matter = YAML(typ="safe").load(card.split("---\n")[1])
    assert (matter["license"], matter["library_name"]) == ("cc-by-4.0", "gandlf-synth")
    assert matter["pipeline_tag"] == "unconditional-image-generation"
    assert {"synthetic", "medical", "histopathology", "ddpm"} <= set(matter["tags"])
    assert "it started from another model: parent" in card
    assert "the license of that model, cc-by-nc-4.0, holds" in card
    assert "may not be used commercially" in card
    written = "".join(path.read_text() for path in (tmp_path / "out").glob("*.json"))
    assert json.loads((tmp_path / "out" / "config.json").read_text())["model_type"] == "ddpm"
    assert str(tmp_path) not in written + card
    assert "/home/me" not in written + card
    assert not list((tmp_path / "out").glob("*.py"))


def test_an_evaluation_of_the_model_is_on_the_card(
    cli: Cli, pictures_model: Path, pictures: Path, tmp_path: Path
) -> None:
    images = Path(cli("generate", "-m-dir", pictures_model, "-n", 8)[1].strip())
    words = ("--real", pictures, "--synthetic", images, "-o", pictures_model / "report", "--extractor", "random-conv")
    assert cli("evaluate", *words)[0] == 0

    code, _, err = cli("export", "-m-dir", pictures_model, "-o", tmp_path / "out")
    assert code == 0, err
    card = (tmp_path / "out" / "README.md").read_text()
    result = YAML(typ="safe").load(card.split("---\n")[1])["model-index"][0]["results"][0]
    assert "8 synthetic images were compared with 16 real images of 16 subjects" in card
    assert "Do they look real?" in card
    assert any(metric["type"] == "kid" for metric in result["metrics"])

    sidecar = next(images.glob("generated_image_0*.json"))
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "weights_sha256": "0" * 16}))
    other = ("-m-dir", pictures_model, "-o", tmp_path / "other", "--evaluation")
    code, _, err = cli("export", *other, pictures_model / "report")
    assert code == 2
    assert "is an evaluation of images of another model; allowed: one of images by weights" in err

    code, _, err = cli("export", *other, images)
    assert code == 3
    assert f"--evaluation {images}: is not there; allowed: a folder that evaluate wrote" in err
