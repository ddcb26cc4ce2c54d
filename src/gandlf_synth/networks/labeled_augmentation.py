"""Augmentation that a network is told of, not to learn it (Karras et al. 2022, arXiv 2206.00364, appendix F.2)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gandlf_synth.batch_draws import draw_rand
from gandlf_synth.networks.placement import place, turn


class LabeledAugmentation:
    """Scales, turns, moves and mirrors images, and says of each how; all numbers are 0 of one that was left alone.

    What would come in from outside is the image as in a mirror at its border.

    Args:
        spatial_dims: 2 or 3.
        probability: how often each of the four acts on an image.
        scaling: largest growth, as a share; the largest shrinkage is its reciprocal.
        rotation_degrees: largest turn, about every axis.
        translation: largest shift, as a share of each side.
        mirror_axes: spatial axes that may be mirrored.

    Example:
        >>> augment = LabeledAugmentation(2, probability=0.0)
        >>> images, labels = augment(torch.ones(1, 1, 8, 8))
        >>> labels.tolist()
        [[0.0, 0.0, 0.0, 0.0, 0.0]]
    """

    def __init__(
        self,
        spatial_dims: int,
        *,
        probability: float = 0.15,
        scaling: float = 0.15,
        rotation_degrees: float = 15.0,
        translation: float = 0.1,
        mirror_axes: Sequence[int] = (),
    ) -> None:
        self._dims, self._probability = spatial_dims, probability
        self._scaling, self._radians, self._translation = scaling, rotation_degrees * torch.pi / 180, translation
        self._planes = [(first, second) for first in range(spatial_dims) for second in range(first + 1, spatial_dims)]
        self._mirror_axes = tuple(mirror_axes)

    @property
    def size(self) -> int:
        """How many numbers say what was done: scaling, turns, shifts, mirrors, and whether anything was done."""
        return sum(self._counts) + 1

    @property
    def _counts(self) -> list[int]:
        """How many numbers each operation has."""
        return [1, len(self._planes), self._dims, *[1] * len(self._mirror_axes)]

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``images (batch, channels, *spatial)`` augmented, and what was done, ``(batch, size)``."""
        batch, counts, device = len(images), self._counts, images.device
        acting = draw_rand((batch, len(counts)), device) < self._probability
        drawn = 2 * draw_rand((batch, sum(counts[:3])), device) - 1
        drawn = torch.cat([drawn, torch.ones(batch, len(self._mirror_axes), device=device)], 1)
        each = [column.expand(-1, count) for column, count in zip(torch.split(acting, 1, 1), counts, strict=True)]
        amounts = torch.where(torch.cat(each, 1), drawn, 0.0)
        return self.apply(images, amounts), torch.cat([amounts, acting.any(1, keepdim=True).float()], 1)

    def apply(self, images: Tensor, amounts: Tensor) -> Tensor:
        """Return ``images`` changed by ``amounts (batch, size - 1)`` in [-1, 1], in 32 bits where they are moved.

        Args:
            images: ``(batch, channels, *spatial)``.
            amounts: shares of the largest scaling, turns and shifts, and 1 for each axis that is mirrored.
        """
        scaling, turns, shifts, *mirrors = torch.split(amounts.float(), self._counts, 1)
        for axis, mirrored in zip(self._mirror_axes, mirrors, strict=True):
            images = torch.where(mirrored.view(-1, *[1] * (images.ndim - 1)) > 0, images.flip(axis + 2), images)
        with torch.autocast(images.device.type, enabled=False):
            matrix = (1 + self._scaling) ** -scaling[..., None] * torch.eye(self._dims, device=images.device)
            for plane, amount in zip(self._planes, turns.unbind(1), strict=True):
                matrix = matrix @ turn(self._radians * amount, self._dims, *plane)
        return place(images, matrix, 2 * self._translation * shifts, background=None)
