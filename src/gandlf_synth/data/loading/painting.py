"""Conditions that are images: what a network gets of the sources, mask and region of a batch."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.conditioners import ConditionPart, ImageConditioner, build_conditioner
from gandlf_synth.data.loading.sample_images import SampleImages, Voxels32


class Painter:
    """Makes the painted parts of a condition.

    Args:
        parts: what a model is conditioned on; parts that come from the text of rows are passed over.
    """

    def __init__(self, parts: Sequence[ConditionPart]) -> None:
        self._painted = painted_parts(parts)

    def __bool__(self) -> bool:
        """Say whether there is anything to paint."""
        return bool(self._painted)

    def __call__(self, samples: Sequence[SampleImages], seeds: Sequence[int] | None = None) -> Mapping[str, Tensor]:
        """Return each painted part of a batch, ``(batch, width, *shape)``, or ``(batch, width)`` of kind ``vector``.

        Args:
            samples: the batch.
            seeds: what decides, for each, what is random; None where a trained model is used.
        """
        painted: dict[str, list[Voxels32]] = {part.name: [] for part, _ in self._painted}
        for place, sample in enumerate(samples):
            rng = None if seeds is None else np.random.default_rng(seeds[place])
            for part, conditioner in self._painted:
                painted[part.name].append(_with_flag(conditioner.paint(sample, part.facts, rng), part, sample))
        return {name: torch.from_numpy(np.stack(arrays)) for name, arrays in painted.items()}


def painted_parts(parts: Sequence[ConditionPart]) -> list[tuple[ConditionPart, ImageConditioner]]:
    """Return the parts that are made of images, each with what makes it."""
    return [(part, _image_conditioner(part)) for part in parts if part.painted]


def _image_conditioner(part: ConditionPart) -> ImageConditioner:
    conditioner = build_conditioner(part.conditioner, part.parameters)
    if not isinstance(conditioner, ImageConditioner):
        raise TypeError(f"{part.conditioner} paints nothing")
    return conditioner


def _with_flag(array: Voxels32 | None, part: ConditionPart, sample: SampleImages) -> Voxels32:
    """Return what was painted with the channel, or the number, that says whether it is known."""
    shape = () if part.kind == "vector" else sample.shape
    whole = np.zeros((part.width, *shape), np.float32)
    if array is not None:
        whole[:-1], whole[-1] = array, 1
    return whole


def joined(rows: Condition, painted: Mapping[str, Tensor], parts: Sequence[ConditionPart]) -> Condition:
    """Return the condition of a batch, in the order of ``parts``: what its rows say and what was painted."""
    both = {**rows, **painted}
    return Condition({part.name: both[part.name] for part in parts if part.name in both})
