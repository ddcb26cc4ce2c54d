"""Features of images on a GPU are those of the CPU, and so are the numbers of an evaluation."""

from pathlib import Path

import pytest
import torch
from torch import nn

from gandlf_synth.metrics.extractors import Extractor, build_extractor
from gandlf_synth.metrics.extractors.base import FeatureNetwork, VolumeExtractor
from gandlf_synth.metrics.extractors.medicalnet import resnet


def _extractor(name: str, folder: Path) -> Extractor:
    torch.manual_seed(0)
    if name == "medicalnet":
        looks = FeatureNetwork(resnet(10).eval(), lambda trained, volumes: trained(volumes).flatten(1))
        return VolumeExtractor(name, looks, "none", 48)
    if name == "torchscript":
        network = nn.Sequential(nn.Conv2d(3, 8, 7, 4), nn.SiLU(), nn.Conv2d(8, 16, 5, 4)).eval()
        torch.jit.script(network).save(folder / "network.pt")  # type: ignore[no-untyped-call, unused-ignore]
        name = str(folder / "network.pt")
    return build_extractor(name)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["random-conv", "torchscript", "medicalnet"])
def test_features_on_the_gpu_are_those_of_the_cpu(name: str, channels: int, tmp_path: Path) -> None:
    extractor = _extractor(name, tmp_path)
    images = torch.rand(5, channels, *(40, 37, 33)[: extractor.spatial_dims])
    expected = extractor(images)

    features = extractor.to("cuda")(images)

    assert extractor.device.type == "cuda"
    assert features.device.type == "cpu"
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-4)
