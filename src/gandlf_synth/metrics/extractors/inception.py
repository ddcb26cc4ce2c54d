"""Inception-v3 as FID uses it (Heusel et al. 2017), from a file that the user has."""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.metrics.extractors.base import Extractor, load_state, needed, sha256
from gandlf_synth.metrics.extractors.torchscript import load_script

NAME = "inception-v3"
_WHAT = "inception-2015-12-05.pt (TorchScript), or torch-fidelity's weights-inception-2015-12-05-6726825d.pth"
_BYTE = 255


def inception_v3(weights: Path | None = None) -> Extractor:
    """Return the network up to its last pooling, 2,048 features.

    Raises:
        ConfigError: no file, or not one of the two known forms.
    """
    path = needed(weights, NAME, _WHAT)
    network = _script(path) if path.suffix == ".pt" else _from_torch_fidelity(path)
    return Extractor(NAME, network, sha256(path), 299, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def _script(path: Path) -> "_Bytes":
    network = load_script(path)
    return _Bytes(lambda planes: network(planes, return_features=True))


def _from_torch_fidelity(path: Path) -> "_Bytes":
    if find_spec("torch_fidelity") is None:
        fix = f"install torch-fidelity, or use {_WHAT.split(',', maxsplit=1)[0]}"
        raise ConfigError(Problem(f"--extractor-weights {path}", "needs torch-fidelity's network", _WHAT, fix))
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    load_state(path)
    network = FeatureExtractorInceptionV3(NAME, ["2048"], feature_extractor_weights_path=str(path))
    return _Bytes(lambda planes: network(planes)[0])


class _Bytes:
    """Calls a network that takes values from 0 to 255."""

    def __init__(self, network: "torch.nn.Module | object") -> None:
        self._network = network

    def __call__(self, planes: Tensor) -> Tensor:
        features: Tensor = self._network((planes * _BYTE).round().to(torch.uint8))  # type: ignore[operator]
        return features
