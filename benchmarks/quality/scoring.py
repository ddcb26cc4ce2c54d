"""How near samples are to real images, and how they look."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.quality.datasets import ImageSet
from gandlf_synth.display import SheetRow, contact_sheet, save_png
from gandlf_synth.metrics.extractors import build_extractor
from gandlf_synth.metrics.intervals import Floats
from gandlf_synth.metrics.scoring import score
from gandlf_synth.metrics.slicing import cut_stacks, to_unit

EXTRACTOR = "efficientnet-lite0"
_PLANES = 64
_SHOWN = 24


@dataclass
class Judge:
    """Compares images with the test images of a data set.

    Args:
        device: where features are computed.
    """

    device: torch.device
    _real: dict[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._extractor = build_extractor(EXTRACTOR).to(self.device)

    def score(self, images: Tensor, data: ImageSet) -> dict[str, Any]:
        """Return KID with its 95 % interval, and precision, recall, density and coverage."""
        if data.name not in self._real:
            self._real[data.name] = self._features(data.test)
        scored = score(self._real[data.name], self._features(images))
        kid, overlap = scored.kid, scored.overlap
        numbers = {"kid": kid.value, "low": kid.low, "high": kid.high, "precision": overlap.precision,
                   "recall": overlap.recall, "density": overlap.density, "coverage": overlap.coverage}  # fmt: skip
        return {name: round(float(value), 5) for name, value in numbers.items()}

    @torch.inference_mode()
    def _features(self, images: Tensor) -> Floats:
        parts = []
        for batch in images.to(self.device).split(32):
            stacks = cut_stacks(to_unit(batch))
            rows = [
                torch.cat([self._extractor(part) for part in stack.flatten(0, 1).split(_PLANES)]) for stack in stacks
            ]
            parts.append(np.stack([row.view(len(batch), -1, row.shape[-1]).cpu().numpy() for row in rows], axis=1))
        return np.concatenate(parts)


def reconstruction_error(images: Tensor, reconstruction: Tensor) -> float:
    """Return the mean peak signal-to-noise ratio, in dB, of images in [-1, 1]."""
    error = ((images - reconstruction) ** 2).flatten(1).mean(1)
    return float((10 * torch.log10(4 / error.clamp(min=1e-10))).mean())


def save_sheet(images: Tensor, title: str, path: Path) -> None:
    """Write a picture of the first images; of volumes the middle planes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = images[:_SHOWN]
    if shown.ndim == 5:
        middle = shown.shape[-1] // 2
        shown = torch.stack([plane for volume in shown[:8] for plane in (
            volume[..., middle], volume[..., middle, :], volume[..., middle, :, :])])  # fmt: skip
    tiles = ((shown[:, 0] + 1) * 127.5).clamp(0, 255).to(torch.uint8).transpose(1, 2).flip(1 if images.ndim == 5 else 0)
    if images.ndim == 4:
        tiles = tiles.flip(0)
    save_png(contact_sheet([SheetRow("", list(tiles.numpy()))], title=title), path)
