"""MedicalNet as it was trained, on whole volumes, from a file; other files and flat images are refused."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gandlf_synth.errors import ConfigError
from gandlf_synth.metrics.extractors import build_extractor
from gandlf_synth.metrics.extractors.medicalnet import resnet
from gandlf_synth.metrics.scoring import features, score
from gandlf_synth.metrics.slicing import resize_volumes


@pytest.fixture
def state() -> dict[str, Tensor]:
    """Random weights of ResNet-10, with statistics that are not the initial ones."""
    torch.manual_seed(0)
    values = resnet(10).state_dict()
    for key, value in values.items():
        if "running" in key:
            value.copy_(torch.rand_like(value) - 0.5 + ("var" in key))
    return values


@pytest.fixture
def weights(state: dict[str, Tensor], tmp_path: Path) -> Path:
    path = tmp_path / "resnet_10_23dataset.pth"
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, path)
    return path


def reference(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """ResNet-10 of Chen et al. in plain functions."""

    def norm(x: Tensor, name: str) -> Tensor:
        parts = [state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return functional.batch_norm(x, *parts)

    def conv(x: Tensor, name: str, stride: int = 1, dilation: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        padding = dilation * (weight.shape[-1] // 2)
        return functional.conv3d(x, weight, stride=stride, padding=padding, dilation=dilation)

    x = functional.relu(norm(conv(x, "conv1", 2), "bn1"))
    x = functional.max_pool3d(x, 3, 2, 1)
    for layer, stride, dilation in (("layer1", 1, 1), ("layer2", 2, 1), ("layer3", 1, 2), ("layer4", 1, 4)):
        block = f"{layer}.0"
        y = functional.relu(norm(conv(x, f"{block}.conv1", stride, dilation), f"{block}.bn1"))
        y = norm(conv(y, f"{block}.conv2", 1, dilation), f"{block}.bn2")
        if layer != "layer1":
            x = norm(conv(x, f"{block}.downsample.0", stride), f"{block}.downsample.1")
        x = functional.relu(x + y)
    return x.mean(dim=(2, 3, 4))


def test_features_are_those_of_the_network_that_was_trained(state: dict[str, Tensor], weights: Path) -> None:
    volumes = torch.rand(2, 1, 96, 96, 96)
    network = resnet(10).eval()
    network.load_state_dict(state)
    standard = torch.stack([(volume - volume.mean()) / volume.std() for volume in volumes])

    found = build_extractor("medicalnet", weights)(volumes)

    assert found.shape == (2, 512)
    assert (found > 0).float().mean() > 0.5
    with torch.no_grad():
        assert torch.allclose(found, network(standard), rtol=1e-4, atol=1e-5)
        assert torch.allclose(found, reference(state, standard), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("depth", "dimension"), [(18, 512), (34, 512), (50, 2048)])
def test_the_depth_follows_from_the_file(depth: int, dimension: int, tmp_path: Path) -> None:
    path = tmp_path / "some_name.pth"
    network = resnet(depth)
    torch.save({**network.state_dict(), "conv_seg.0.weight": torch.rand(2)}, path)

    extractor = build_extractor("medicalnet", path)

    assert extractor.network(torch.rand(1, 1, 16, 16, 16)).shape == (1, dimension)
    assert "96×96×96" in extractor.resize_rule
    assert len(extractor.weights_sha256) == 64


def test_channels_are_looked_at_one_by_one_whatever_their_brightness(weights: Path) -> None:
    volumes = torch.rand(1, 1, 20, 24, 16)
    extractor = build_extractor("medicalnet", weights)

    both = extractor(torch.cat([volumes, volumes / 2 + 0.1, torch.zeros_like(volumes)], dim=1))

    assert both.shape == (1, 3 * 512)
    assert torch.allclose(both[:, :512], both[:, 512:1024], rtol=1e-3, atol=1e-4)
    assert both.isfinite().all()


def test_samples_of_a_model_are_scored_as_whole_volumes(weights: Path) -> None:
    extractor = build_extractor("medicalnet", weights)
    real = features([torch.rand(4, 1, 16, 16, 16) * 2 - 1], extractor)

    assert real.shape == (4, 1, 1, 512)
    assert score(real, real).overlap.recall == 1


def test_other_files_and_flat_images_are_refused(state: dict[str, Tensor], weights: Path, tmp_path: Path) -> None:
    def saved(name: str, content: dict[str, Tensor]) -> Path:
        torch.save(content, tmp_path / name)
        return tmp_path / name

    flat = {key: value[..., 0] if value.ndim == 5 else value for key, value in state.items()}
    short = {key: value for key, value in state.items() if key != "layer4.0.bn2.weight"}

    with pytest.raises(ConfigError, match=r"medicalnet: has no weights of its own; allowed: resnet_10.*resnet_50_23"):
        build_extractor("medicalnet")
    (tmp_path / "table.pth").write_text("SubjectID,Channel_0\n")
    with pytest.raises(
        ConfigError, match=r"table\.pth: cannot be read as weights: .*nothing in this one was run"
    ) as bad:
        build_extractor("medicalnet", tmp_path / "table.pth")
    assert "weights_only" not in str(bad.value)
    with pytest.raises(ConfigError, match=r"other\.pth: are of another network: no 3D ResNet of 10, 18, 34 or 50"):
        build_extractor("medicalnet", saved("other.pth", {"weight": torch.rand(3)}))
    with pytest.raises(ConfigError, match=r"flat\.pth: are of another network: no 3D ResNet"):
        build_extractor("medicalnet", saved("flat.pth", flat))
    with pytest.raises(ConfigError, match=r"short\.pth: are of another network: .*layer4\.0\.bn2\.weight"):
        build_extractor("medicalnet", saved("short.pth", short))
    with pytest.raises(ConfigError, match=r"medicalnet: looks at volumes and the images are 2D; use one.*planes"):
        build_extractor("medicalnet", weights).check_images(2)


def test_volumes_are_brought_to_a_cube_without_aliasing() -> None:
    volumes = torch.rand(2, 2, 5, 7, 6)
    larger = functional.interpolate(volumes, (9, 9, 9), mode="trilinear", align_corners=False)
    checkered = (torch.arange(64)[:, None, None] + torch.arange(64)[:, None] + torch.arange(64)) % 2

    assert torch.allclose(resize_volumes(volumes, 9), larger, atol=1e-6)
    assert torch.allclose(
        resize_volumes(checkered[None, None].float(), 20)[..., 2:-2, 2:-2, 2:-2], torch.tensor(0.5), atol=0.05
    )
