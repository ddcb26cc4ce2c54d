"""What a feature extractor is: a network, its weights by hash, and the size to which it wants images resized."""

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from gandlf_synth import registry
from gandlf_synth.errors import ConfigError, Problem

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RGB = 3
_VOLUME_DIMS = 3


@dataclass(frozen=True)
class Extractor:
    """Turns images into features; this one looks at planes, ``VolumeExtractor`` at volumes.

    Args:
        name: of the registry.
        network: takes ``(batch, 3, side, side)``, returns ``(batch, features)``.
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
    layers: tuple[torch.nn.Module, ...] = ()
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
            raise ConfigError(Problem(f"--extractor {self.name}", "looks at volumes and the images are 2D", fix=fix))

    @property
    def resize_rule(self) -> str:
        """How images are brought to the network's input."""
        return (
            f"bilinear with antialiasing to {self.side}×{self.side}; grey repeated to three channels; "
            "other numbers of channels one by one, their features side by side"
        )

    @torch.no_grad()
    def __call__(self, planes: Tensor) -> Tensor:
        """Return the features of ``planes (batch, channels, rows, columns)`` in [0, 1], ``(batch, dimension)``."""
        if planes.shape[1] not in {1, RGB}:
            return torch.cat([self(planes[:, k : k + 1]) for k in range(planes.shape[1])], dim=1)
        size = (self.side, self.side)
        if planes.shape[-2:] != size:
            planes = functional.interpolate(planes, size, mode="bilinear", antialias=True, align_corners=False)
        return self.network(self.normalised(planes)).flatten(1).float()

    def normalised(self, planes: Tensor) -> Tensor:
        """Return ``planes (batch, 1 or 3, rows, columns)`` in [0, 1] as the network was trained to see colours."""
        mean, deviation = (planes.new_tensor(values)[:, None, None] for values in (self.mean, self.deviation))
        return (planes.expand(-1, RGB, -1, -1) - mean) / deviation


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
    """
    if name.endswith((".pt", ".ts", ".torchscript")):
        name, weights = "torchscript", Path(name)
    factory: Callable[..., Extractor] = registry.load("feature_extractors", name)
    if not allow_download:
        return factory(weights)
    if "allow_download" not in inspect.signature(factory).parameters:
        raise ConfigError(Problem("--allow-download", f"{name} has nothing to download", fix="drop it"))
    return factory(weights, allow_download=True)


def needed(weights: Path | None, name: str, what: str) -> Path:
    """Return the file of weights.

    Raises:
        ConfigError: it is not given or does not exist.
    """
    if weights is None:
        fix = "name the file with --extractor-weights; nothing is downloaded"
        raise ConfigError(Problem(f"--extractor {name}", "has no weights of its own", what, fix))
    if not weights.is_file():
        raise ConfigError(Problem(f"--extractor-weights {weights}", "does not exist", what))
    return weights


def unneeded(weights: Path | None, name: str) -> None:
    """Refuse a file of weights that would not be used.

    Raises:
        ConfigError: there is one.
    """
    if weights is not None:
        raise ConfigError(Problem(f"--extractor-weights {weights}", f"{name} brings its own weights", fix="drop it"))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_state(path: Path) -> dict[str, Tensor]:
    """Return the weights in a file, without running code that may be in it, and without ``module.`` before names.

    Raises:
        ConfigError: it holds no weights.
    """
    import pickle

    where = f"--extractor-weights {path}"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        what = "cannot be read as weights: it is damaged, no file of torch.save, or holds more than tensors"
        fix = "use the file that its authors publish; nothing in this one was run"
        raise ConfigError(Problem(where, what, "a state dict", fix)) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ConfigError(Problem(where, "holds no weights", "a state dict"))
    return {key.removeprefix("module."): value for key, value in state.items()}


def fill(network: torch.nn.Module, state: dict[str, Tensor], path: Path, unused: tuple[str, ...]) -> None:
    """Load ``state`` into ``network``; only names that start with one of ``unused`` may be left over.

    Raises:
        ConfigError: the weights are of another network.
    """
    kept = {key: value for key, value in state.items() if not key.startswith(unused)}
    try:
        network.load_state_dict(kept)
    except RuntimeError as error:
        summary = " ".join(str(error).split())[:300]
        raise ConfigError(Problem(f"--extractor-weights {path}", f"are of another network: {summary}")) from error
