"""Any network that was saved as TorchScript."""

from pathlib import Path

import torch
from torch import Tensor, nn

from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.metrics.extractors.base import Extractor, FeatureNetwork
from gandlf_synth.metrics.extractors.weights import require_weights, sha256


def torchscript(weights: Path | None = None) -> Extractor:
    """Return the network in a file; it takes ``(batch, 3, 224, 224)`` with ImageNet's normalisation.

    Maps of features ``(batch, features, rows, columns)`` are averaged over the image.

    Raises:
        ConfigError: no file, or not a TorchScript one.
    """
    path = require_weights(weights, "torchscript", "a TorchScript file")
    network = load_script(path)

    def pooled(script: nn.Module, planes: Tensor) -> Tensor:
        features: Tensor = script(planes)
        return features if features.ndim == 2 else features.flatten(2).mean(dim=2)

    return Extractor(f"torchscript:{path.name}", FeatureNetwork(network, pooled), sha256(path), 224)


def load_script(path: Path) -> torch.jit.ScriptModule:
    """Return the network in a TorchScript file, ready to infer.

    Raises:
        ConfigError: it is not one.
    """
    try:
        return torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-any-return, no-untyped-call]
    except RuntimeError as error:
        what = f"is not a TorchScript file: {str(error).splitlines()[0]}"
        raise ConfigError(
            Problem(str(path), what, fix="save the network with torch.jit.script(...).save(...)")
        ) from error
