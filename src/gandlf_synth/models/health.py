"""Signs that training has gone wrong, in words that say what to try."""

from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor

from gandlf_synth.networks.resampling import adaptive_avg_pool

_FEWEST_IMAGES = 64
"""Images that have to be seen before anything is said of them."""
_SIDE = 8


@dataclass(frozen=True)
class Symptom:
    """Something that is wrong with the training at present.

    Args:
        name: a word or two, always the same for the same trouble.
        what: what was measured.
        fix: what to try.
    """

    name: str
    what: str
    fix: str

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.name}: {self.what}; {self.fix}"


class SampleHealth:
    """Compares synthetic with real images of the training batches: variety, contrast, range.

    Sums stay on the device until they are read, so that watching costs no waiting for a GPU.
    """

    def __init__(self) -> None:
        self._images = 0
        self._sums: dict[str, Tensor] = {}

    def observe(self, real: Tensor, fake: Tensor, class_labels: Tensor | None = None) -> None:
        """Take note of two batches ``(batch, channels, *spatial)``, both of the classes ``class_labels (batch,)``."""
        with torch.no_grad():
            self._images += len(real)
            self._add("readings", real.new_ones(()))
            for name, images in (("real", real), ("fake", fake)):
                self._add(f"{name} variety", _variety(_features(images), class_labels))
                self._add(f"{name} contrast", images.float().flatten(1).std(1).mean())
                self._add(f"{name} extreme", (images.abs() > 0.99).float().mean())

    def add(self, name: str, value: Tensor) -> None:
        """Take note of a further value, to be read by ``read``."""
        self._add(name, value.detach())

    def _add(self, name: str, value: Tensor) -> None:
        self._sums[name] = self._sums.get(name, 0) + value.float()

    def read(self) -> dict[str, float] | None:
        """Return the sums of everything since the last reading, or None before there is enough of it."""
        if self._images < _FEWEST_IMAGES:
            return None
        values = {name: float(value) for name, value in self._sums.items()}
        self._images, self._sums = 0, {}
        return values


def sample_symptoms(values: dict[str, float]) -> list[Symptom]:
    """Return what is wrong with synthetic images, from ``SampleHealth.read``; the gravest first, and only that."""
    if not isfinite(values["fake contrast"]):
        what = "synthetic images hold NaN or infinity"
        return [Symptom("numbers that are not finite", what, "lower the learning rates, or use precision 32")]
    if values["fake contrast"] < 0.1 * values["real contrast"]:
        what = f"synthetic images have {_percent(values, 'contrast')} of the contrast of real ones"
        return [Symptom("blank samples", what, "lower the learning rates, and look at the images after preprocessing")]
    if values["fake extreme"] - values["real extreme"] > 0.5 * values["readings"]:
        what = "most voxels of synthetic images are at an end of the range, those of real ones are not"
        return [Symptom("saturated samples", what, "lower the generator's learning rate")]
    if values["fake variety"] < 0.1 * values["real variety"]:
        what = f"synthetic images have {_percent(values, 'variety')} of the variance of real ones"
        return [Symptom("mode collapse", what, "lower the generator's learning rate, or use a larger batch")]
    return []


def _percent(values: dict[str, float], what: str) -> str:
    return f"{100 * values[f'fake {what}'] / max(values[f'real {what}'], 1e-12):.0f} %"


def _variety(features: Tensor, class_labels: Tensor | None) -> Tensor:
    """Return the variance of ``features (batch, size)`` within the classes, averaged over the features."""
    rows = (
        torch.zeros(len(features), dtype=torch.long, device=features.device) if class_labels is None else class_labels
    )
    members = (rows[:, None] == rows[None, :]).float()
    return (features - members @ features / members.sum(1, keepdim=True)).square().mean()


def _features(images: Tensor) -> Tensor:
    return adaptive_avg_pool(images.float(), [min(size, _SIDE) for size in images.shape[2:]]).flatten(1)
