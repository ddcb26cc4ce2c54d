"""A model leaves the program in forms that others can use, and computes the same there."""

import json
from pathlib import Path

import monai.bundle
import numpy as np
import torch
from tests.factories import Cli

from gandlf_synth import SyntheticDataset, load_model
from gandlf_synth.data.formats.readers import read_image


def test_weights_alone_make_the_same_images(cli: Cli, pictures_model: Path, tmp_path: Path) -> None:
    code, out, err = cli("export", "-m-dir", pictures_model, "-o", tmp_path / "out")
    assert code == 0, err

    made = []
    for words in ((), ("-ckpt-path", tmp_path / "out" / "weights.safetensors")):
        code, out, err = cli("generate", "-m-dir", pictures_model, "-n", 2, "-i-dir", tmp_path / "images", *words)
        assert code == 0, err
        made.append([read_image(path).array for path in sorted(Path(out.strip()).glob("*.tiff"))])

    assert np.array_equal(made[0], made[1])
    card = (tmp_path / "out" / "README.md").read_text()
    assert "Not a medical device" in card
    assert "benign, tumour" in card


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
