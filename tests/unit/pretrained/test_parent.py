"""Trained models are found in files, folders and bundles; what is none of these is refused in words."""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from gandlf_synth.config import InitFrom
from gandlf_synth.errors import CheckpointError
from gandlf_synth.pretrained.adapters.maisi import small_maisi
from gandlf_synth.pretrained.adapters.monai import small_autoencoder, small_unet
from gandlf_synth.pretrained.parent import Parent, read_parent


@pytest.fixture(scope="module")
def weights() -> Mapping[str, Tensor]:
    return small_autoencoder().state_dict()


def read(path: Path, family: str = "autoencoder_kl", **start: Any) -> Parent:
    return read_parent(InitFrom(path=str(path), **start), family)


@pytest.mark.parametrize("wrapped", ["alone", "state_dict", "parallel", "safetensors"])
def test_weights_are_read_however_they_were_saved(tmp_path: Path, weights: Mapping[str, Tensor], wrapped: str) -> None:
    path = tmp_path / ("vae.safetensors" if wrapped == "safetensors" else "vae.pt")
    if wrapped == "safetensors":
        save_file(dict(weights), path)
    elif wrapped == "parallel":
        torch.save({f"module.{name}": value for name, value in weights.items()}, path)
    else:
        torch.save({"state_dict": weights, "epoch": 3} if wrapped == "state_dict" else weights, path)

    parent = read(path)

    assert (parent.adapter, parent.name) == ("monai", path.name)
    assert parent.section["architecture"]["num_channels"] == [8, 16]
    assert parent.section["architecture"]["attention_levels"] == [False, True]
    assert parent.assumed == ["architecture.norm_num_groups"]
    assert all(name.startswith("autoencoder.") for name in parent.weights)


def bundle(folder: Path, weights: Mapping[str, Tensor], network: Mapping[str, Any], **metadata: Any) -> Path:
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "metadata.json").write_text(json.dumps({"name": "Brain LDM", "version": "1.0", **metadata}))
    (folder / "configs" / "inference.json").write_text(json.dumps(network))
    torch.save(weights, folder / "models" / "model_autoencoder.pt")
    return folder


def test_a_bundle_tells_what_weights_do_not(tmp_path: Path, weights: Mapping[str, Tensor]) -> None:
    network = {
        "groups": 4,
        "device": "$torch.device('cuda')",
        "autoencoder_def": {
            "_target_": "monai.networks.nets.AutoencoderKL", "channels": [8, 16], "norm_num_groups": "@groups",
            "norm_eps": 1e-5, "in_channels": "$@groups // 4",
        },
    }  # fmt: skip
    parent = read(bundle(tmp_path / "brain", weights, network, license="CC-BY-NC-4.0"))

    assert (parent.section["architecture"]["norm_num_groups"], parent.section["architecture"]["norm_eps"]) == (4, 1e-5)
    assert not parent.assumed
    assert (parent.terms.license, parent.terms.origin) == ("CC-BY-NC-4.0", "Brain LDM, 1.0")
    assert parent.terms.non_commercial


def test_a_scheduler_of_a_bundle_says_what_the_denoiser_predicts(tmp_path: Path) -> None:
    network = {"scheduler": {"_target_": "monai.networks.schedulers.DDIMScheduler", "schedule": "scaled_linear_beta"}}
    parent = read(bundle(tmp_path / "b", small_unet().state_dict(), network), "ddpm")
    assert (parent.section["prediction_type"], parent.section["beta_schedule"]) == ("epsilon", "scaled_linear")
    assert "prediction_type" in parent.assumed
    assert "beta_schedule" not in parent.assumed


def test_a_license_beside_the_weights_is_read(tmp_path: Path) -> None:
    torch.save(small_maisi().state_dict(), tmp_path / "autoencoder.pt")
    (tmp_path / "LICENSE.weights").write_text("# NVIDIA License\n\n3.3 … may be used non-commercially only.")
    parent = read(tmp_path / "autoencoder.pt")
    assert (parent.adapter, parent.terms.license) == ("maisi", "NVIDIA License")
    assert parent.terms.non_commercial
    assert parent.section["architecture"]["upsampling"] == "linear"
    assert parent.section["architecture"]["value_range"] == [0.0, 1.0]
    written = read(tmp_path / "autoencoder.pt", license="MIT", origin="https://example.org")
    assert (written.terms.license, written.terms.origin) == ("MIT", "https://example.org")
    assert not written.terms.non_commercial


def test_what_is_no_trained_model_is_refused_in_words(tmp_path: Path, weights: Mapping[str, Tensor]) -> None:
    torch.save(weights, tmp_path / "vae.pt")
    (tmp_path / "code.pt").write_bytes(pickle.dumps(Path))
    torch.save({"unknown.weight": torch.zeros(1), "other": torch.zeros(2)}, tmp_path / "foreign.pt")
    torch.save({"numbers": [1, 2]}, tmp_path / "none.pt")
    torch.save(small_maisi().state_dict() | {"spacing_layer.0.weight": torch.zeros(1)}, tmp_path / "unet.pt")
    bundle(tmp_path / "empty", weights, {})
    (tmp_path / "empty" / "models" / "model_autoencoder.pt").unlink()
    cases = {
        "missing": "does not exist; init_from starts from a trained model; allowed: a model folder, an exported folder",
        ".": r"is no folder of a trained model; .* name one of its files: code\.pt, foreign\.pt",
        "code.pt": "is no file of weights alone: .* nothing in it was run",
        "foreign.pt": r"layout that no adapter knows: unknown\.weight, other; allowed: gandlf-synth, maisi, monai",
        "none.pt": "holds no weights by name",
        "empty": "is a MONAI bundle without weights in its folder models",
        "unet.pt": "is MAISI's denoiser",
    }
    for name, words in cases.items():
        with pytest.raises(CheckpointError, match=words):
            read(tmp_path / name)
    with pytest.raises(
        CheckpointError, match=r"holds an autoencoder, and model_name is ddpm; allowed: .*autoencoder_kl"
    ):
        read(tmp_path / "vae.pt", "ddpm")
    with pytest.raises(CheckpointError, match="is not in the layout that adapter 'maisi' reads"):
        read(tmp_path / "vae.pt", adapter="maisi")
