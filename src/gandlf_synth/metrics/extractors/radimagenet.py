"""ResNet-50 (He et al. 2016) with RadImageNet's weights (Mei et al. 2022), from a file that the user has."""

from pathlib import Path

import torch
from torch import Tensor, nn

from gandlf_synth.metrics.extractors.base import Extractor, FeatureNetwork, layers_of
from gandlf_synth.metrics.extractors.weights import load_weights, read_state, require_weights, sha256

NAME = "radimagenet-resnet50"


def radimagenet_resnet50(weights: Path | None = None) -> Extractor:
    """Return the network up to its global average pooling, 2,048 features.

    Raises:
        ConfigError: no file, or weights of another network.
    """
    from monai.networks.nets import resnet50

    path = require_weights(weights, NAME, "RadImageNet's ResNet50.pt or a ResNet-50 state dict in torchvision's names")
    network = resnet50(
        spatial_dims=2, n_input_channels=3, conv1_t_size=7, conv1_t_stride=2, feed_forward=False, bias_downsample=False
    )
    load_weights(network, _torchvision_names(read_state(path)), path, ("fc.",))
    network.eval()

    def pooled(trained: nn.Module, planes: Tensor) -> Tensor:
        return torch.flatten(trained(planes), 1)

    return Extractor(
        NAME,
        FeatureNetwork(network, pooled),
        sha256(path),
        224,
        (0.5, 0.5, 0.5),
        (0.5, 0.5, 0.5),
        layers=layers_of(network),
    )


def _torchvision_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights under torchvision's names; RadImageNet's file numbers the parts: ``backbone.0`` and so on."""
    parts = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
    renamed = {}
    for key, value in state.items():
        head, _, rest = key.removeprefix("backbone.").partition(".")
        renamed[f"{parts[head]}.{rest}" if head in parts else f"{head}.{rest}"] = value
    return renamed
