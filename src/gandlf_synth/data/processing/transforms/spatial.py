"""Steps that change the grid: orientation, spacing, size."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BeforeValidator, Field, PositiveInt

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.processing.base import Transform, TransformError
from gandlf_synth.data.processing.transforms.resampling import on_grid


def _as_list(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


Size = Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=3)]
"""Voxels along each axis."""
Millimetres = Annotated[
    tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1, max_length=3), BeforeValidator(_as_list)
]
"""A length along each axis, or one for all."""


def _fitting(values: Sequence[Any], image: Image, name: str) -> tuple[Any, ...]:
    """Return ``values`` for the axes of ``image``; ``[64, 64, 1]`` is taken for 2D as GaNDLF does.

    Raises:
        TransformError: another number of axes.
    """
    dims = image.geometry.spatial_dims
    numbers = tuple(values)
    if len(numbers) == dims + 1 and numbers[-1] == 1:
        numbers = numbers[:-1]
    if len(numbers) == 1 and name == "resolution":
        numbers *= dims
    if len(numbers) != dims:
        raise TransformError(f"{name} {list(values)} has {len(values)} numbers, but the image has {dims} axes")
    return numbers


class _Sizing(Transform):
    """A step after which every image has one size."""

    positional: ClassVar[str | None] = "shape"

    shape: Size
    """Voxels along each axis."""

    def sets_size(self) -> tuple[int, ...] | None:
        """Return ``shape``."""
        return self.shape


class ToCanonical(Transform):
    """Lays all images alike: axes of volumes run to the patient's right, anterior and superior, slices as on a screen.

    Pictures, and all else that states no place in the patient, stay as they are.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> affine = np.diag([-1.0, -1.0, 1.0, 1.0])
        >>> image = Image.from_file_values(np.zeros((1, 4, 5, 6)), Geometry((4, 5, 6), affine))
        >>> image.geometry.orientation, ToCanonical()(image).geometry.orientation
        ('LPS', 'RAS')
    """

    def __call__(self, image: Image) -> Image:
        """Return the image with reordered axes; no value changes."""
        return image.canonical()


class Resize(_Sizing):
    """Stretches the image to a size; what it shows in millimetres stays the same, the spacing changes.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.zeros((1, 8, 6)), Geometry((8, 6)))
        >>> resized = Resize(shape=(4, 3))(image)
        >>> resized.geometry.shape, resized.geometry.spacing
        ((4, 3), (2.0, 2.0))
    """

    def __call__(self, image: Image) -> Image:
        """Return the image at ``shape``."""
        old = image.geometry
        shape = _fitting(self.shape, image, "shape")
        spacing = tuple(length * size / new for length, size, new in zip(old.spacing, old.shape, shape, strict=True))
        return on_grid(image, old.resampled(shape, spacing))


class Resample(Transform):
    """Brings the image to a spacing.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.zeros((1, 8, 6)), Geometry((8, 6)))
        >>> Resample(resolution=(2.0,))(image).geometry.shape
        (4, 3)
    """

    positional: ClassVar[str | None] = "resolution"
    sets_spacing: ClassVar[bool] = True

    resolution: Millimetres
    """Millimetres between voxels along each axis, or one number for all."""

    def __call__(self, image: Image) -> Image:
        """Return the image at ``resolution``, of the size that covers the same space."""
        return _resampled(image, _fitting(self.resolution, image, "resolution"))


class ResampleMinimum(Transform):
    """Makes voxels at least as large as a spacing; axes that are coarser already stay as they are.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.zeros((1, 8, 6)), Geometry((8, 6), np.diag([1.0, 3.0, 1.0, 1.0])))
        >>> ResampleMinimum(resolution=(2.0,))(image).geometry.spacing
        (2.0, 3.0)
    """

    positional: ClassVar[str | None] = "resolution"
    sets_spacing: ClassVar[bool] = True

    resolution: Millimetres | None = None
    """Smallest distance between voxels along each axis; absent: all axes get the image's smallest spacing."""

    def __call__(self, image: Image) -> Image:
        """Return the image with no axis finer than ``resolution``."""
        own = image.geometry.spacing
        if self.resolution is None:
            return _resampled(image, (min(own),) * len(own))
        least = _fitting(self.resolution, image, "resolution")
        return _resampled(image, tuple(max(pair) for pair in zip(own, least, strict=True)))


class ResizeAndPad(_Sizing):
    """Scales the image to fit a size without distorting it, and pads with each channel's smallest value.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.zeros((1, 8, 4)), Geometry((8, 4)))
        >>> ResizeAndPad(shape=(4, 4))(image).geometry.shape
        (4, 4)
    """

    def __call__(self, image: Image) -> Image:
        """Return the image at ``shape``."""
        old = image.geometry
        shape = _fitting(self.shape, image, "shape")
        spacing = old.spacing if old.physical else (1.0,) * len(shape)
        extent = [length * size for length, size in zip(spacing, old.shape, strict=True)]
        voxel = max(length / size for length, size in zip(extent, shape, strict=True))
        inner = tuple(min(size, max(1, round(length / voxel))) for length, size in zip(extent, shape, strict=True))
        return _cropped_or_padded(Resize(shape=inner)(image), shape)


class CropOrPad(_Sizing):
    """Cuts off or adds at the borders, evenly, until the image has a size; adds each channel's smallest value.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.zeros((1, 8, 4)), Geometry((8, 4)))
        >>> CropOrPad(shape=(6, 6))(image).geometry.shape
        (6, 6)
    """

    def __call__(self, image: Image) -> Image:
        """Return the image at ``shape``."""
        return _cropped_or_padded(image, _fitting(self.shape, image, "shape"))


class CenterCrop(_Sizing):
    """Cuts the middle out of the image.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.array([[[1, 2, 3, 4]]], np.float32), Geometry((1, 4)))
        >>> CenterCrop(shape=(1, 2))(image).array.tolist()
        [[[2.0, 3.0]]]
    """

    def __call__(self, image: Image) -> Image:
        """Return the middle; the image must be at least as large."""
        shape = _fitting(self.shape, image, "shape")
        if any(new > old for new, old in zip(shape, image.geometry.shape, strict=True)):
            raise TransformError(f"shape {list(shape)} is larger than the image {list(image.geometry.shape)}")
        return _cropped_or_padded(image, shape)


class Crop(Transform):
    """Removes voxels at the borders.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.array([[[1, 2, 3, 4]]], np.float32), Geometry((1, 4)))
        >>> Crop(voxels=(0, 0, 1, 0))(image).array.tolist()
        [[[2.0, 3.0, 4.0]]]
    """

    positional: ClassVar[str | None] = "voxels"

    voxels: Annotated[
        tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1, max_length=6), BeforeValidator(_as_list)
    ]
    """How many: one number for all borders, one per axis, or two per axis (start, end)."""

    def __call__(self, image: Image) -> Image:
        """Return the image without its borders."""
        dims, numbers = image.geometry.spatial_dims, self.voxels
        by_count = {
            1: [(numbers[0], numbers[0])] * dims,
            dims: [(number, number) for number in numbers],
            2 * dims: _paired(numbers),
        }
        pairs = by_count.get(len(numbers))
        if pairs is None:
            raise TransformError(f"{list(numbers)} has {len(numbers)} numbers; allowed: 1, {dims} or {2 * dims}")
        start = tuple(low for low, _ in pairs)
        shape = tuple(size - sum(pair) for size, pair in zip(image.geometry.shape, pairs, strict=True))
        if min(shape) < 1:
            raise TransformError(f"{list(numbers)} leaves nothing of the image {list(image.geometry.shape)}")
        return _window(image, start, shape)


class CropExternalZeroPlanes(Transform):
    """Cuts away the borders where every channel is zero; in training only.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.array([[[0, 2, 3, 0]]], np.float32), Geometry((1, 4)))
        >>> CropExternalZeroPlanes()(image).array.tolist()
        [[[2.0, 3.0]]]
    """

    train_only: ClassVar[bool] = True

    def __call__(self, image: Image) -> Image:
        """Return the smallest part that holds everything that is not zero."""
        occupied = np.argwhere((image.array != 0).any(axis=0))
        if not len(occupied):
            raise TransformError("the image is zero everywhere")
        start, stop = occupied.min(axis=0), occupied.max(axis=0) + 1
        return _window(image, tuple(map(int, start)), tuple(map(int, stop - start)))


def _paired(values: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(values[::2], values[1::2], strict=False))


def _resampled(image: Image, spacing: tuple[float, ...]) -> Image:
    old = image.geometry
    sizes = zip(old.shape, old.spacing, spacing, strict=True)
    shape = tuple(max(1, round(size * own / new)) for size, own, new in sizes)
    return on_grid(image, old.resampled(shape, spacing))


def _window(image: Image, start: tuple[int, ...], shape: tuple[int, ...]) -> Image:
    part = tuple(slice(low, low + size) for low, size in zip(start, shape, strict=True))
    return image.on_grid(
        np.ascontiguousarray(image.array[:, *part]),
        image.geometry.cropped(start, shape),
        lambda labels: np.ascontiguousarray(labels[part]),
    )


def _cropped_or_padded(image: Image, shape: tuple[int, ...]) -> Image:
    missing = [max(0, new - old) for new, old in zip(shape, image.geometry.shape, strict=True)]
    before = [count // 2 for count in missing]
    widths = [(low, count - low) for low, count in zip(before, missing, strict=True)]
    padded = np.stack([np.pad(channel, widths, constant_values=channel.min()) for channel in image.array])
    grown = image.geometry.cropped(tuple(-low for low in before), padded.shape[1:])
    start = tuple((old - new) // 2 for old, new in zip(grown.shape, shape, strict=True))
    return _window(image.on_grid(padded, grown, lambda labels: np.pad(labels, widths)), start, shape)
