"""Labeled augmentation of a batch: images, and what they are made from, move alike, and the condition says how."""

import torch
from torch import Tensor

from gandlf_synth.data.loading.condition import Condition, kind_of
from gandlf_synth.data.loading.conditioners import ConditionPart
from gandlf_synth.models.components.diffusion_config import LabeledAugmentationSettings
from gandlf_synth.networks.labeled_augmentation import LabeledAugmentation

AUGMENTATION = "labeled augmentation"
"""No column is called so: the names of columns that are conditions have no spaces."""


def augmentation_parts(settings: LabeledAugmentationSettings | None, spatial_dims: int) -> list[ConditionPart]:
    """Return what a network is told of the augmentation of its images, after all other parts of its condition.

    Example:
        >>> [part.size for part in augmentation_parts(LabeledAugmentationSettings(), 2)]
        [4]
        >>> augmentation_parts(None, 2)
        []
    """
    return [] if settings is None else [BatchAugmentation(settings, spatial_dims).part]


class BatchAugmentation:
    """Augments the images of a batch with what they are made from.

    Args:
        settings: which augmentations, and how often.
        spatial_dims: 2 or 3.
    """

    def __init__(self, settings: LabeledAugmentationSettings, spatial_dims: int) -> None:
        self._augment = LabeledAugmentation(spatial_dims, **settings.model_dump())

    @property
    def part(self) -> ConditionPart:
        """What the network is told; see ``augmentation_parts``."""
        return ConditionPart(name=AUGMENTATION, conditioner=AUGMENTATION, kind="vector", size=self._augment.size - 1)

    def __call__(self, clean: Tensor, condition: Condition) -> tuple[Tensor, Condition]:
        """Return augmented images and the condition that belongs to them.

        Args:
            clean: ``(batch, channels, *shape)``.
            condition: what they are made from.
        """
        images = {name: part for name, part in condition.items() if kind_of(part) == "channels"}
        together, labels = self._augment(torch.cat([clean, *images.values()], 1))
        channels = [clean.shape[1], *(part.shape[1] for part in images.values())]
        clean, *moved = torch.split(together, channels, 1)
        parts = {**condition, **dict(zip(images, moved, strict=True))}
        return clean, Condition({**parts, AUGMENTATION: labels})

    def absent(self, condition: Condition, count: int, device: torch.device) -> Condition:
        """Return the condition of ``count`` images that are not augmented."""
        return Condition({**condition, AUGMENTATION: torch.zeros(count, self._augment.size, device=device)})
