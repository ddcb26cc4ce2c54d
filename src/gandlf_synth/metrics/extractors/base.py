"""What a feature extractor is: a network, its weights by hash, and the size to which it wants images resized."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from gandlf_synth import registry
from gandlf_synth.errors import ConfigError, Problem, option
from gandlf_synth.metrics.slicing import resize_planes, resize_volumes

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RGB = 3
_VOLUME_DIMS = 3


class FeatureNetwork(nn.Module):
    """A network together with how its features are read, so that both move to a device as one.

    Args:
        network: looks at the images.
        read: takes the network and images, returns ``(batch, features)``.
    """

    def __init__(self, network: nn.Module, read: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.network = network
        self._read = read

    def forward(self, images: Tensor) -> Tensor:
        """Return the features of ``images``."""
        return self._read(self.network, images)


@dataclass(frozen=True)
class Extractor:
    """Turns images into features; this one looks at planes, ``VolumeExtractor`` at volumes.

    Args:
        name: of the registry.
        network: takes ``(batch, 3, side, side)``, returns ``(batch, features)``; it runs on a GPU if it is a module.
        weights_sha256: which weights; for seeded ones a text that says so.
        side: images are resized to so many pixels a side.
        mean, deviation: of the colours that the network was trained with, for values in [0, 1].
        caution: what a reader of its numbers must know, or an empty string.
        layers: the network in parts to be called one after the other, for a loss that compares what each says; empty
            where there are none.
    """

    name: str
    network: Callable[[Tensor], Tensor]
    weights_sha256: str
    side: int
    mean: tuple[float, float, float] = IMAGENET_MEAN
    deviation: tuple[float, float, float] = IMAGENET_DEVIATION
    caution: str = ""
    layers: tuple[nn.Module, ...] = ()
    spatial_dims: ClassVar[int] = 2

    @property
    def takes_volumes(self) -> bool:
        """Whether the network looks at whole volumes instead of planes."""
        return self.spatial_dims == _VOLUME_DIMS

    def check_images(self, spatial_dims: int) -> None:
        """Refuse images that the network cannot look at; volumes are no problem for planes, which are cut from them.

        Raises:
            ConfigError: it looks at volumes and the images have ``spatial_dims`` 2.
        """
        if spatial_dims < self.spatial_dims:
            fix = "use one that looks at planes, such as efficientnet-lite0"
            where = f"{option('extractor')} {self.name}"
            raise ConfigError(Problem(where, "looks at volumes and the images are 2D", fix=fix))

    def to(self, device: torch.device | str) -> Self:
        """Move the network to ``device``; one that is no module stays where it is."""
        if isinstance(self.network, nn.Module):
            self.network.to(device)
        return self

    @property
    def device(self) -> torch.device:
        """Where the network is; the CPU if it is no module."""
        weights = self.network.parameters() if isinstance(self.network, nn.Module) else iter(())
        return next((each.device for each in weights), torch.device("cpu"))

    @property
    def resize_rule(self) -> str:
        """How images are brought to the network's input."""
        return (
            f"bilinear with antialiasing to {self.side}×{self.side}; grey repeated to three channels; "
            "other numbers of channels one by one, their features side by side"
        )

    @torch.no_grad()
    def __call__(self, planes: Tensor) -> Tensor:
        """Return the features of ``planes (batch, channels, rows, columns)`` in [0, 1], ``(batch, dimension)``.

        They are on the CPU, and the same from every device but for rounding.
        """
        with torch.backends.cudnn.flags(allow_tf32=False):
            return self._features(planes.to(self.device)).cpu()

    def _features(self, planes: Tensor) -> Tensor:
        if planes.shape[1] not in {1, RGB}:
            return torch.cat([self._features(planes[:, k : k + 1]) for k in range(planes.shape[1])], dim=1)
        planes = resize_planes(planes, (self.side, self.side))
        return self.network(self.normalized(planes)).flatten(1).float()

    def normalized(self, planes: Tensor) -> Tensor:
        """Return ``planes (batch, 1 or 3, rows, columns)`` in [0, 1] as the network was trained to see colours."""
        mean, deviation = (planes.new_tensor(values)[:, None, None] for values in (self.mean, self.deviation))
        return (planes.expand(-1, RGB, -1, -1) - mean) / deviation


@dataclass(frozen=True)
class VolumeExtractor(Extractor):
    """Turns volumes into features, one vector each; ``network`` takes ``(1, 1, side, side, side)``.

    ``mean`` and ``deviation`` do not apply: every volume and channel is brought to mean 0 and deviation 1 of its own.
    """

    spatial_dims: ClassVar[int] = 3

    @property
    def resize_rule(self) -> str:
        """How volumes are brought to the network's input."""
        return (
            f"whole volumes, trilinear with antialiasing to {self.side}×{self.side}×{self.side}, each to mean 0 and "
            "standard deviation 1; channels one by one, their features side by side"
        )

    def _features(self, volumes: Tensor) -> Tensor:
        """Return the features of ``volumes (batch, channels, x, y, z)``, ``(batch, channels · dimension)``.

        One by one: a volume keeps all cores busy, and the maps of several would not fit everywhere.
        """
        return torch.stack([torch.cat([self._look(channel) for channel in volume]) for volume in volumes])

    def _look(self, volume: Tensor) -> Tensor:
        cube = resize_volumes(volume.float()[None, None], self.side)
        deviation, mean = torch.std_mean(cube)
        return self.network((cube - mean) / (deviation if deviation > 0 else 1)).flatten().float()


def build_extractor(name: str, weights: Path | None = None, *, allow_download: bool = False) -> Extractor:
    """Return the extractor registered as ``name``; a path to a TorchScript file is a name too.

    Args:
        name: of the group ``feature_extractors``, or a file.
        weights: the file of weights, for those that have none of their own.
        allow_download: let those that can fetch their weights do so.

    Raises:
        ConfigError: the name is unknown; the weights are missing, not needed, or of another network; there is nothing
            to download.
        MissingExtraError: the package with the weights is not installed.

    >>> extractor = build_extractor("random-conv")
    >>> extractor(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 64])
    """
    if name.endswith((".pt", ".ts", ".torchscript")):
        name, weights = "torchscript", Path(name)
    factory: Callable[..., Extractor] = registry.load("feature_extractors", name)
    if not allow_download:
        return factory(weights)
    if "allow_download" not in inspect.signature(factory).parameters:
        raise ConfigError(Problem(option("allow_download"), f"{name} has nothing to download", fix="drop it"))
    return factory(weights, allow_download=True)


def layers_of(network: nn.Module) -> tuple[nn.Module, ...]:
    """Return the four layers of a MONAI ``ResNet``, the first with the stem before it."""
    stem, *deeper = (network.get_submodule(f"layer{k}") for k in range(1, 5))
    first = nn.Sequential(*(network.get_submodule(name) for name in ("conv1", "bn1", "act", "maxpool")), stem)
    return first, *deeper
