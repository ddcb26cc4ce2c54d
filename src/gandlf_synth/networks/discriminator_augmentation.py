"""Differentiable augmentation of what a discriminator sees, in 2D and 3D, so that it does not learn images by heart."""

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor

from gandlf_synth.batch_draws import draw_rand, draw_randint
from gandlf_synth.networks.placement import place, shift_whole_voxels, turn

Operation = Literal["brightness", "contrast", "translation", "cutout"]
_BACKGROUND = -1.0
_SHIFT = 0.125
_CUTOUT = 0.5
_MOST_BETWEEN_VOXELS = 0.5
"""Share of the images that are turned at probability 1, where turning is asked for."""


class DiffAugment:
    """Random operations on every image, real or synthetic (Zhao et al. 2020, arXiv 2006.10738).

    Args:
        operations: which; ``brightness`` adds up to ±0.5, ``contrast`` scales by 0.5 to 1.5, ``translation`` moves by
            up to an eighth of each side, ``cutout`` blanks a box of half of each side.

    Example:
        >>> augment = DiffAugment(["brightness", "cutout"])
        >>> augment(torch.zeros(2, 1, 16, 16)).shape
        torch.Size([2, 1, 16, 16])
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = [_OPERATIONS[name] for name in operations]

    def __call__(self, images: Tensor) -> Tensor:
        """Return augmented ``images (batch, channels, *spatial)``."""
        for operation in self._operations:
            images = operation(images)
        return images


class AnatomicalAugmentation:
    """Adaptive augmentation (Karras et al. 2020, arXiv 2006.06676) with operations that keep anatomy valid.

    Each operation is applied to an image with a probability: a shift by whole voxels, brightness, contrast; mirroring
    of the first axis (left and right) only where it is allowed. Never upside down. Nothing else moves voxels unless a
    rotation is asked for: its values come from between voxels, which blurs, and a discriminator that sees blurred
    images lets checkerboards pass. Rotations come with half the probability.

    Args:
        rotation_degrees: largest rotation, about every axis.
        translation: largest shift, as a share of each side.
        brightness: largest added value.
        contrast: largest change of contrast, as a share.
        mirror_axis: spatial axis to mirror, or None.

    Example:
        >>> augment = AnatomicalAugmentation(rotation_degrees=5)
        >>> augment(torch.zeros(2, 1, 9, 8, 7), probability=0.6).shape
        torch.Size([2, 1, 9, 8, 7])
    """

    def __init__(
        self,
        *,
        rotation_degrees: float = 0.0,
        translation: float = 0.08,
        brightness: float = 0.2,
        contrast: float = 0.2,
        mirror_axis: int | None = None,
    ) -> None:
        self._radians = rotation_degrees * torch.pi / 180
        self._translation = translation
        self._brightness = brightness
        self._contrast = contrast
        self._mirror_axis = mirror_axis

    def __call__(self, images: Tensor, probability: float | Tensor) -> Tensor:
        """Return ``images (batch, channels, *spatial)``, each operation applied with ``probability``."""
        if self._mirror_axis is not None:
            mirrored = _uniform(images) < 0.5 * probability
            images = torch.where(mirrored, images.flip(self._mirror_axis + 2), images)
        images = self._move(images, probability)
        mean = images.mean(dim=tuple(range(1, images.ndim)), keepdim=True)
        contrast, brightness = self._contrast * _signed(images, probability), _signed(images, probability)
        return images + contrast * (images - mean) + self._brightness * brightness

    def _move(self, images: Tensor, probability: float | Tensor) -> Tensor:
        """Return the images moved about the center, in 32 bits; background comes in."""
        images = images.float()
        if not self._radians:
            voxels = self._draw_shift(images, probability).flip(1)
            return shift_whole_voxels(images, voxels, background=_BACKGROUND)
        with torch.autocast(images.device.type, enabled=False):
            matrix = self._draw_turn(images, probability)
        voxels = self._draw_shift(images, probability)
        moves = [moved * (2 / side) for moved, side in zip(voxels.unbind(1), images.shape[:1:-1], strict=True)]
        return place(images, matrix, torch.stack(moves, 1), background=_BACKGROUND)

    def _draw_turn(self, images: Tensor, probability: float | Tensor) -> Tensor:
        """Return turns ``(batch, axes, axes)`` in voxels."""
        dims = images.ndim - 2
        matrix = torch.eye(dims, device=images.device).expand(len(images), dims, dims)
        turned = (_uniform(images) < _MOST_BETWEEN_VOXELS * probability).float()
        for first, second in combinations(range(dims), 2):
            matrix = matrix @ turn(self._radians * _signed(images, turned).flatten(), dims, first, second)
        return matrix

    def _draw_shift(self, images: Tensor, probability: float | Tensor) -> Tensor:
        """Return whole voxels ``(batch, axes)``, the last axis first."""
        largest = [self._translation * side for side in images.shape[:1:-1]]
        return torch.stack([(most * _signed(images, probability).flatten()).round() for most in largest], 1)


def _uniform(images: Tensor) -> Tensor:
    """Return one number in [0, 1) per image, shaped to broadcast over ``images``."""
    return draw_rand((len(images), *[1] * (images.ndim - 1)), images.device)


def _signed(images: Tensor, probability: float | Tensor) -> Tensor:
    """Return one number in [-1, 1) per image, or 0 where the operation is not applied."""
    return (2 * _uniform(images) - 1) * (_uniform(images) < probability)


def _brighten(images: Tensor) -> Tensor:
    return images + _uniform(images) - 0.5


def _change_contrast(images: Tensor) -> Tensor:
    mean = images.mean(dim=tuple(range(1, images.ndim)), keepdim=True)
    return (images - mean) * (_uniform(images) + 0.5) + mean


def _translate(images: Tensor) -> Tensor:
    """Move every image by whole voxels along every axis; what comes in is background."""
    largest = [round(side * _SHIFT) for side in images.shape[2:]]
    draws = [draw_randint(-most, most + 1, (len(images), 1), images.device) for most in largest]
    return shift_whole_voxels(images, -torch.cat(draws, 1), background=_BACKGROUND)


def _cut_out(images: Tensor) -> Tensor:
    box = torch.ones((), dtype=torch.bool, device=images.device)
    for axis in range(2, images.ndim):
        length = images.shape[axis]
        center = draw_randint(0, length + 1, (len(images), 1), images.device)
        inside = (torch.arange(length, device=images.device) - center).abs() < length * _CUTOUT / 2
        shape = [len(images) if dim == 0 else length if dim == axis else 1 for dim in range(images.ndim)]
        box = box & inside.view(shape)
    return torch.where(box, _BACKGROUND, images)


_OPERATIONS = {
    "brightness": _brighten,
    "contrast": _change_contrast,
    "translation": _translate,
    "cutout": _cut_out,
}
