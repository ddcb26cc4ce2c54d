"""Images as copies are searched for: small, without what all images of an organ share, and in any pose.

Brightness and contrast say nothing of a copy, nor does the outline of the body. What is compared is the band between
fine grain and coarse shading (a difference of Gaussians), in which images of different patients differ.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, radians

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional

from gandlf_synth.metrics.slicing import resize_planes

Pixels = NDArray[np.floating]
"""``(n, channels, *shape)`` in [0, 1], pictures or volumes."""

FLIPS: tuple[tuple[bool, bool], ...] = ((False, False), (True, False), (False, True), (True, True))
"""Whether mirrored left-right (along the last axis), and up-down (along the first)."""
FLIP_NAMES = ("as it is", "mirrored left-right", "mirrored up-down", "turned by 180°")
_CHUNK = 256
_ANGLE = radians(5)
_ZOOM = log(1.1)


@dataclass(frozen=True)
class Scale:
    """A size at which images are compared, and which detail counts there.

    Args:
        side: pixels of the longest side; smaller images keep their size.
        inner, outer: the standard deviations of the two Gaussians, as a share of the side.
    """

    side: int
    inner: float
    outer: float

    def shape_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the size of an image of ``shape`` at this scale.

        >>> Scale(32, 0.02, 0.1).shape_of((100, 50))
        (32, 16)
        """
        factor = min(1.0, self.side / max(shape))
        return tuple(max(4, round(length * factor)) for length in shape)


COARSE = {2: Scale(32, 0.025, 0.1), 3: Scale(16, 0.035, 0.12)}
"""Where images are laid on one another roughly, and repeated ones are counted; by dimensions."""


def detail_images(images: Pixels, scale: Scale) -> Tensor:
    """Return the detail of ``images (n, channels, *shape)`` at a scale, the mean of the channels, ``(n, *small)``.

    >>> detail_images(np.ones((2, 3, 20, 10)), Scale(10, 0.05, 0.2)).shape
    torch.Size([2, 10, 5])
    """
    shape = scale.shape_of(images.shape[2:])
    parts = []
    for rows in chunks(len(images), _CHUNK):
        chunk = np.asarray(images[rows], dtype=np.float32).mean(axis=1)
        small = resize_images(torch.from_numpy(chunk), shape).numpy()
        inner, outer = (
            gaussian_filter(small, (0, *(share * max(shape),) * len(shape)), mode="reflect")
            for share in (scale.inner, scale.outer)
        )
        parts.append(torch.from_numpy(inner - outer))
    return torch.cat(parts)


def resize_images(images: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return ``images (n, *old)`` as ``(n, *shape)``, linear with antialiasing, two axes at a time."""
    planes = resize_planes(images.flatten(0, -3)[:, None], (shape[-2], shape[-1]))[:, 0]
    planes = planes.reshape(*images.shape[:-2], *shape[-2:])
    if planes.ndim == 3:
        return planes
    across = resize_planes(planes.flatten(2)[:, None], (shape[0], shape[1] * shape[2]))
    return across[:, 0].reshape(len(images), *shape)


def standardized(images: Tensor) -> Tensor:
    """Return one row per image with mean 0 and norm 1, all zeros for a flat image, ``(n, values)``."""
    rows = images.flatten(1)
    rows = rows - rows.mean(dim=1, keepdim=True)
    norms = rows.norm(dim=1, keepdim=True)
    return torch.where(norms > 1e-5 * rows.shape[1] ** 0.5, rows / norms.clamp_min(1e-9), torch.zeros_like(rows))


def generators(dims: int) -> Tensor:
    """Return how points move under a small rotation, zoom and shift, ``(moves, dims, dims + 1)``.

    Rotations come first (one in 2D, three in 3D), then zoom, then a shift along each axis, in the order of torch's
    coordinates (the last axis first).
    """
    moves = []
    for first in range(dims):
        for second in range(first + 1, dims):
            rotation = torch.zeros(dims, dims + 1)
            rotation[first, second], rotation[second, first] = -1, 1
            moves.append(rotation)
    moves.append(torch.cat([-torch.eye(dims), torch.zeros(dims, 1)], dim=1))
    for axis in range(dims):
        shift = torch.zeros(dims, dims + 1)
        shift[axis, dims] = 1
        moves.append(shift)
    return torch.stack(moves)


def coarse_poses(dims: int) -> Tensor:
    """Return the rotations and zooms from which a search starts, ``(poses, dims, dims + 1)``: 9 in 2D and in 3D."""
    turns = dims * (dims - 1) // 2
    settings = [torch.zeros(turns + 1)]
    for place in range(turns + 1):
        for sign in (-1.0, 1.0):
            setting = torch.zeros(turns + 1)
            setting[place] = sign * (_ZOOM if place == turns else _ANGLE)
            settings.append(setting)
    if dims == 2:
        settings += [torch.tensor([a * _ANGLE, z * _ZOOM]) for a in (-1.0, 1.0) for z in (-1.0, 1.0)]
    moves = generators(dims)[: turns + 1, :, :dims]
    linear = torch.stack([torch.matrix_exp((setting[:, None, None] * moves).sum(0)) for setting in settings])
    return torch.cat([linear, torch.zeros(len(linear), dims, 1)], dim=2)


def warp(images: Tensor, poses: Tensor) -> Tensor:
    """Return each of ``images (n, *shape)`` under its pose ``(n, dims, dims + 1)``, zero outside.

    A pose says for each point where its value is taken from, in torch's coordinates from -1 to 1.
    """
    grid = functional.affine_grid(poses, [len(images), 1, *images.shape[1:]], align_corners=False)
    return functional.grid_sample(images[:, None], grid, align_corners=False)[:, 0]


def flipped(images: Tensor, flip: int) -> Tensor:
    """Return ``images (n, *shape)`` mirrored as ``FLIPS[flip]`` says."""
    axes = [axis for axis, mirrored in zip((-1, 1), FLIPS[flip], strict=True) if mirrored]
    return images.flip(axes) if axes else images


def mirror(images: NDArray[np.floating], flip: tuple[bool, bool]) -> NDArray[np.floating]:
    """Return planes ``(n, stacks, slices, channels, rows, columns)`` mirrored left-right and up-down, as ``flip`` says.

    The stacks of a volume are its axial, coronal and sagittal slices, so that a volume's mirror image has the
    sagittal slices (left-right) or the axial ones (up-down) in reverse order instead of mirrored.

    >>> mirror(np.arange(4.0).reshape(1, 1, 1, 1, 2, 2), (True, False))[0, 0, 0, 0]
    array([[1., 0.],
           [3., 2.]])
    """
    stacks = images.shape[1]
    result = np.array(images)
    for stack in range(stacks):
        plane = result[:, stack]
        if flip[0]:
            plane = plane[:, ::-1] if stack == 2 else plane[..., ::-1]
        if flip[1]:
            plane = plane[:, ::-1] if stack == 0 and stacks == 3 else plane[..., ::-1, :]
        result[:, stack] = plane
    return result


def chunks(count: int, size: int) -> Iterator[slice]:
    """Yield slices of at most ``size`` that cover ``count``."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
