"""Inception-v3 as FID uses it (Heusel et al. 2017), from a file that the user has, or lets us fetch."""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from gandlf_synth.errors import ConfigError, Problem, option
from gandlf_synth.metrics.extractors.base import Extractor, FeatureNetwork
from gandlf_synth.metrics.extractors.torchscript import load_script
from gandlf_synth.metrics.extractors.weights import download, downloaded, place_of, read_state, require_weights, sha256

NAME = "inception-v3"
URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
_WHAT = "inception-2015-12-05.pt (TorchScript), or torch-fidelity's weights-inception-2015-12-05-6726825d.pth"
_BYTE = 255


def inception_v3(weights: Path | None = None, *, allow_download: bool = False, url: str = URL) -> Extractor:
    """Return the network up to its last pooling, 2,048 features.

    Args:
        weights: the file; None: what torch hub's folder has of ``url``.
        allow_download: fetch ``url`` where there is neither.
        url: torch-fidelity's weights, named with the start of their SHA-256.

    Raises:
        ConfigError: no file, or not one of the two known forms.
    """
    path = _obtained(url, allow_download) if weights is None else require_weights(weights, NAME, _WHAT)
    network = _script(path) if path.suffix == ".pt" else _from_torch_fidelity(path)
    return Extractor(NAME, network, sha256(path), 299, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def _obtained(url: str, allow_download: bool) -> Path:
    path = downloaded(url)
    if path is not None:
        return path
    if allow_download:
        _check_network(option("allow_download"))
        return download(url)
    fix = (
        f"name a file with {option('extractor_weights')}, put it at {place_of(url)}, or let evaluate or sweep-sampler "
        f"fetch it with {option('allow_download')}; nothing is downloaded without it"
    )
    raise ConfigError(Problem(f"{option('extractor')} {NAME}", "has no weights of its own", _WHAT, fix))


def _script(path: Path) -> FeatureNetwork:
    return FeatureNetwork(load_script(path), lambda network, planes: network(_bytes(planes), return_features=True))


def _from_torch_fidelity(path: Path) -> FeatureNetwork:
    _check_network(str(path))
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    read_state(path)
    network = FeatureExtractorInceptionV3(NAME, ["2048"], feature_extractor_weights_path=str(path))
    return FeatureNetwork(network, lambda trained, planes: trained(_bytes(planes))[0])


def _check_network(where: str) -> None:
    missing = [package for package in ("torch_fidelity", "torchvision") if find_spec(package) is None]
    if missing:
        what = f"needs torch-fidelity's network, and {' and '.join(missing)} cannot be imported"
        script = _WHAT.split(",", maxsplit=1)[0]
        fix = f"pip install torch-fidelity, or use {script} with {option('extractor_weights')}"
        raise ConfigError(Problem(where, what, fix=fix))


def _bytes(planes: Tensor) -> Tensor:
    """Return values from 0 to 255, which the network takes."""
    return (planes * _BYTE).round().to(torch.uint8)
