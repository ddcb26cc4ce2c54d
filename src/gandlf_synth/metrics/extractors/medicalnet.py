"""MedicalNet (Chen et al. 2019, Med3D, arXiv 1904.00625): a 3D ResNet trained to segment 23 sets of CT and MRI."""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from gandlf_synth.errors import ConfigError, Problem, option
from gandlf_synth.metrics.extractors.base import Extractor, FeatureNetwork, VolumeExtractor, layers_of
from gandlf_synth.metrics.extractors.weights import load_weights, read_state, require_weights, sha256

NAME = "medicalnet"
_WHAT = "resnet_10, _18, _34 or _50 of MedicalNet, such as resnet_50_23dataset.pth"
_SIDE = 96
_DEPTHS: dict[tuple[tuple[int, ...], bool], int] = {
    ((1, 1, 1, 1), False): 10,
    ((2, 2, 2, 2), False): 18,
    ((3, 4, 6, 3), False): 34,
    ((3, 4, 6, 3), True): 50,
}
"""By the blocks of each layer, and whether these are bottlenecks."""


def medicalnet(weights: Path | None = None) -> Extractor:
    """Return the network up to a global average pooling: 512 features, 2,048 of ResNet-50.

    Raises:
        ConfigError: no file, or weights of another network.
    """
    path = require_weights(weights, NAME, _WHAT)
    state = read_state(path)
    network = resnet(_depth(state, path))
    load_weights(network, state, path, ("fc.", "conv_seg."))
    network.eval()

    def pooled(trained: nn.Module, volumes: Tensor) -> Tensor:
        return torch.flatten(trained(volumes), 1)

    return VolumeExtractor(NAME, FeatureNetwork(network, pooled), sha256(path), _SIDE, layers=layers_of(network))


def resnet(depth: int) -> nn.Module:
    """Return MedicalNet's ResNet of ``depth`` layers, untrained.

    MONAI's has the names and shapes of the weights. What MONAI's own loader leaves out are the stride of the first
    convolution and the dilation of layers 3 and 4, with which the weights were trained.
    """
    from monai.networks.nets import resnet10, resnet18, resnet34, resnet50
    from monai.networks.nets.resnet import get_medicalnet_pretrained_resnet_args

    make = {10: resnet10, 18: resnet18, 34: resnet34, 50: resnet50}[depth]
    bias, shortcut = get_medicalnet_pretrained_resnet_args(depth)
    network: nn.Module = make(
        spatial_dims=3, n_input_channels=1, conv1_t_stride=2, feed_forward=False, shortcut_type=shortcut,
        bias_downsample=bias,
    )  # fmt: skip
    for layer, dilation in (("layer3", 2), ("layer4", 4)):
        _dilate(network.get_submodule(layer), dilation)
    return network


def _dilate(layer: nn.Module, dilation: int) -> None:
    """Replace the stride of a layer by dilation, which keeps the size of its maps."""
    for part in layer.modules():
        if isinstance(part, nn.Conv3d):
            part.stride = (1, 1, 1)
            if part.kernel_size != (1, 1, 1):
                part.dilation = part.padding = (dilation,) * 3
        shortcut = getattr(part, "downsample", None)
        if isinstance(shortcut, partial):
            vars(part)["downsample"] = partial(shortcut, stride=1)


def _depth(state: dict[str, Tensor], path: Path) -> int:
    blocks = tuple(len({key.split(".")[1] for key in state if key.startswith(f"layer{k}.")}) for k in range(1, 5))
    depth = _DEPTHS.get((blocks, "layer1.0.conv3.weight" in state))
    first = state.get("conv1.weight")
    if depth is None or first is None or first.ndim != 5:
        what = "are of another network: no 3D ResNet of 10, 18, 34 or 50 layers"
        raise ConfigError(Problem(f"{option('extractor_weights')} {path}", what, _WHAT))
    return depth
