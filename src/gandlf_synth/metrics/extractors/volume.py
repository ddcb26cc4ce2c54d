"""Extractors that look at whole volumes."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gandlf_synth.metrics.extractors.base import Extractor
from gandlf_synth.metrics.volumes import on_cube


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

    @torch.no_grad()
    def __call__(self, volumes: Tensor) -> Tensor:
        """Return the features of ``volumes (batch, channels, x, y, z)``, ``(batch, channels · dimension)``.

        One by one: a volume keeps all cores busy, and the maps of several would not fit everywhere.
        """
        return torch.stack([torch.cat([self._look(channel) for channel in volume]) for volume in volumes])

    def _look(self, volume: Tensor) -> Tensor:
        cube = on_cube(volume.float()[None, None], self.side)
        deviation, mean = torch.std_mean(cube)
        return self.network((cube - mean) / (deviation if deviation > 0 else 1)).flatten().float()
