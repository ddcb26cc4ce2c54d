"""How differently a trained segmenter sees two images: what translation is to keep, in the words of the anatomy."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.metrics.extractors.torchscript import load_script

_KEY = "model_config.segmenter"
_SMALL = 1e-6


class SegmentationDistance(nn.Module):
    """The mean error of a segmenter's maps, each as a share of the map's mean size over the real images.

    A segmenter that tells the anatomy of an image apart gives translated CT its bones (Longuefosse et al. 2025, nnsyn).

    Args:
        segmenter: takes ``(batch, channels, *shape)`` in [-1, 1] and returns maps, one tensor or several: class scores,
            or features of its layers. It is not trained.

    Example:
        >>> distance = SegmentationDistance(nn.Conv2d(1, 3, 3))
        >>> images = torch.rand(2, 1, 16, 16) * 2 - 1
        >>> float(distance(images, images)), bool(distance(-images, images) > 0)
        (0.0, True)
    """

    def __init__(self, segmenter: nn.Module) -> None:
        super().__init__()
        self.segmenter = segmenter.eval()
        for weights in self.segmenter.parameters():  # TorchScript has no requires_grad_ of whole modules
            weights.requires_grad_(False)

    def forward(self, output: Tensor, images: Tensor) -> Tensor:
        """Return the distance of two batches ``(batch, channels, *shape)`` in [-1, 1], a scalar."""
        with torch.autocast(output.device.type, enabled=False):
            made = self._maps(output)
            with torch.no_grad():
                real = self._maps(images)
            errors = [
                (one - other).abs().mean() / (other.abs().mean() + _SMALL)
                for one, other in zip(made, real, strict=True)
            ]
        return torch.stack(errors).mean()

    def _maps(self, images: Tensor) -> Sequence[Tensor]:
        maps = self.segmenter(images.float())
        return [maps.float()] if isinstance(maps, Tensor) else [each.float() for each in maps]


def build_segmentation(path: Path, shape: Sequence[int], channels: int) -> SegmentationDistance:
    """Return the distance by the segmenter in a TorchScript file.

    Args:
        path: the file.
        shape: size of the images that it is tried on.
        channels: of the images.

    Raises:
        ConfigError: there is no such file, it is no network, or it does not take the images.
    """
    if not path.is_file():
        raise ConfigError(Problem(_KEY, f"names {path}, which is not a file", "a TorchScript file"))
    distance = SegmentationDistance(load_script(path))
    images = torch.zeros(1, channels, *shape)
    try:
        distance(images, images)
    except (RuntimeError, TypeError, AttributeError) as error:
        what = f"names {path.name}, which does not take images of {channels} channels and {'×'.join(map(str, shape))}"
        reason = str(error).strip().splitlines()[-1]
        allowed = "a network from (batch, channels, *shape) in [-1, 1] to one tensor or several"
        raise ConfigError(Problem(_KEY, f"{what}: {reason}", allowed)) from error
    return distance
