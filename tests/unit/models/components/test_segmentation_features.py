"""The term of a segmenter's maps: 0 for equal images, and what is wrong with a file is said before training."""

from pathlib import Path

import pytest
import torch
from tests.runs import tiny_config, tiny_module, tiny_spec
from torch import Tensor, nn

from gandlf_synth.errors import ConfigError
from gandlf_synth.models.components.segmentation_features import build_segmentation


class Pyramid(nn.Module):
    """Returns maps of two resolutions, as segmenters with deep supervision do."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 3, stride=2)

    def forward(self, images: Tensor) -> list[Tensor]:
        first = self.first(images)
        return [first, self.second(first)]


def write_script(path: Path, network: nn.Module) -> Path:
    torch.jit.script(network).save(str(path))
    return path


@pytest.mark.parametrize("network", [nn.Conv2d(1, 3, 3), Pyramid()])
def test_equal_images_have_no_distance_and_others_one_that_images_learn_from(
    tmp_path: Path, network: nn.Module
) -> None:
    distance = build_segmentation(write_script(tmp_path / "segmenter.pt", network), (16, 16), 1)
    images = torch.randn(2, 1, 16, 16)
    output = torch.randn(2, 1, 16, 16, requires_grad=True)

    assert float(distance(images, images)) == 0
    distance(output, images).backward()
    assert float(output.grad.abs().max()) > 0


def test_a_segmenter_is_part_of_the_loss_and_not_of_the_model(tmp_path: Path) -> None:
    path = write_script(tmp_path / "segmenter.pt", nn.Conv2d(1, 3, 3))
    plain = tiny_module(tiny_config("pix2pix", {}), tiny_spec(2))
    guided = tiny_module(tiny_config("pix2pix", {}, segmenter=str(path), segmenter_weight=2.0), tiny_spec(2))
    guided.check_components()
    output, images = torch.randn(2, 2, 1, 10, 12)

    assert float(guided.criterion(output, images)) > float(plain.criterion(output, images))
    assert list(guided.state_dict()) == list(plain.state_dict())


def test_a_file_that_cannot_be_used_is_named_with_its_key(tmp_path: Path) -> None:
    path = write_script(tmp_path / "segmenter.pt", nn.Conv2d(3, 3, 3))

    with pytest.raises(
        ConfigError, match=r"model_config\.segmenter: names .*segmenter\.pt, which does not take images of 1 channel"
    ):
        build_segmentation(path, (16, 16), 1)
    with pytest.raises(ConfigError, match=r"model_config\.segmenter: names .*nothing\.pt, which is not a file"):
        build_segmentation(tmp_path / "nothing.pt", (16, 16), 1)
