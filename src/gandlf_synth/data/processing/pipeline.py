"""A phase's deterministic preprocessing: the transforms, in order, and how one sample goes through them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth import registry
from gandlf_synth.config import Phase, Step
from gandlf_synth.data.formats.code_version import step_version
from gandlf_synth.data.formats.image import Image, stacked
from gandlf_synth.data.formats.readers import exists, read_image, source_files
from gandlf_synth.data.processing.base import Transform, TransformError
from gandlf_synth.data.processing.transforms.spatial import Resize, ResizeAndPad, ToCanonical
from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.errors import ConfigError, Problem

LARGEST_LABEL = 2**16 - 1
"""Of a mask: prepared ones are kept in 16 bits."""


@dataclass(frozen=True)
class Pipeline:
    """What is done to every sample of one phase.

    Args:
        steps: names and parameters, in order.
        column_channels: channels of each channel column.
        shape: the size that must come out; an image of another size is resized to it at the end. None: its own size.
        keeps_mask: whether the mask is kept beside the image.
        source_channels: channels of each source column; without any, sources are not read.
        keeps_region: whether the region is kept beside the image.
    """

    steps: tuple[Step, ...]
    column_channels: tuple[int, ...]
    shape: tuple[int, ...] | None
    keeps_mask: bool = False
    source_channels: tuple[int, ...] = ()
    keeps_region: bool = False

    def transforms(self) -> list[Transform]:
        """Return the transforms, made from their parameters."""
        return [make_transform(step) for step in self.steps]

    def key(self) -> list[Any]:
        """Return plain values that change whenever the outcome would."""
        transforms = self.transforms()
        code = [*(step_version(type(transform)) for transform in transforms), step_version(Resize)]
        pairs = zip(self.steps, transforms, strict=True)
        sources = [source_key(step, path) for step, transform in pairs for path in transform.sources()]
        steps = [step.model_dump() for step in self.steps]
        kept = [self.keeps_mask, self.source_channels, self.keeps_region]
        return [steps, code, sources, self.column_channels, self.shape, *kept]

    def __call__(self, sample: Sample) -> Image:
        """Return ``sample``, read and preprocessed, float32 ``(channels, *shape)``: its channels, then its sources.

        Channels that the row does not have are 0, and NaN in the image's ``scale``. Without any image, its mask gives
        the grid.

        Raises:
            UnreadableError: a file cannot be read.
            TransformError: a step cannot be applied to this sample; the text names the step.
        """
        return self.apply(*self.read(sample))

    def apply(self, image: Image, missing: NDArray[np.bool_]) -> Image:
        """Return an image that was ``read``, after all steps; see ``__call__``."""
        for step, transform in zip(self.steps, self.transforms(), strict=True):
            try:
                image = transform(image)
            except TransformError as error:
                raise TransformError(f"{step.name}: {error}") from error
        if self.shape is not None and image.geometry.shape != self.shape:
            image = Resize(shape=self.shape)(image)
        return _without(image, missing) if missing.any() else image

    def read(self, sample: Sample) -> tuple[Image, NDArray[np.bool_]]:
        """Return the stacked images of a row as they are in its files, with which of their channels it does not have.

        Raises:
            UnreadableError: a file cannot be read.
            TransformError: the images lie on different grids, or there are none.
        """
        channels = sample.channels or (None,) * len(self.column_channels)
        # A table for a trained model may lack the columns of what is missing in all its rows.
        sources = (*sample.sources, *(None,) * len(self.source_channels))[: len(self.source_channels)]
        columns = [
            *zip(channels, self.column_channels, strict=True),
            *zip(sources, self.source_channels, strict=True),
        ]
        given = [None if path is None else with_channels(read_image(path), count) for path, count in columns]
        first = next((image for image in given if image is not None), None)
        if first is not None and not all(image is None or image.geometry.matches(first.geometry) for image in given):
            raise TransformError(f"its images lie on different grids: {', '.join(sample.images)}")
        if first is None and sample.mask is not None:
            first = read_image(sample.mask)
        if first is None:
            raise TransformError("the row has none of the images that the model takes")
        # A stand-in goes through all steps, some of which refuse an image of one value.
        shown = [
            with_channels(first, count) if image is None else image
            for image, (_, count) in zip(given, columns, strict=True)
        ]
        missing = np.repeat([image is None for image in given], [count for _, count in columns])
        image = stacked(shown)
        if sample.mask is not None:
            image = with_mask(image, read_image(sample.mask))
        if sample.region is not None:
            image = with_region(image, read_image(sample.region))
        return image, missing


def _without(image: Image, missing: NDArray[np.bool_]) -> Image:
    """Return ``image`` with nothing in the channels that are ``missing``."""
    array = image.array.copy()
    array[missing] = 0
    scale, offset = (np.where(missing, np.nan, values) for values in (image.scale, image.offset))
    return replace(image, array=array, scale=scale, offset=offset)


def source_key(step: Step, path: Path) -> str:
    """Return a digest of the content of a file that a step reads beside the image.

    Raises:
        ConfigError: there is no such file, or it cannot be read.
    """
    if not exists(path):
        raise ConfigError(Problem(f"data_preprocessing: {step.name}", f"{path} does not exist", "an image"))
    total = hashlib.sha256()
    try:
        for file in source_files(path):
            total.update(file.read_bytes())
    except OSError as error:
        what = f"{path} cannot be read: {error.strerror or error}"
        raise ConfigError(Problem(f"data_preprocessing: {step.name}", what, "an image")) from error
    return total.hexdigest()


def make_transform(step: Step) -> Transform:
    """Return the transform that ``step`` names; its parameters were validated with the configuration."""
    transform: Transform = registry.load("preprocessing", step.name).model_validate(step.parameters)
    return transform


def normalizes(steps: Sequence[Step]) -> bool:
    """Say whether a pipeline brings intensities to a common range."""
    return any(make_transform(step).normalizes for step in steps)


def sets_spacing(steps: Sequence[Step]) -> bool:
    """Say whether a pipeline gives voxels a size in millimetres, which a later change of size must keep."""
    return any(make_transform(step).sets_spacing for step in steps)


def sets_resolution(steps: Sequence[Step]) -> bool:
    """Say whether a pipeline brings images of any resolution to that of the network; padding and cropping do not.

    Example:
        >>> [sets_resolution([Step(name=name, parameters=[8, 8])]) for name in ("resample", "resize", "crop_or_pad")]
        [True, True, False]
    """
    transforms = [make_transform(step) for step in steps]
    return any(each.sets_spacing or isinstance(each, Resize | ResizeAndPad) for each in transforms)


def lays_alike(steps: Sequence[Step]) -> bool:
    """Say whether a pipeline brings images of any orientation to one."""
    return any(isinstance(make_transform(step), ToCanonical) for step in steps)


def keeps_grid(steps: Sequence[Step]) -> bool:
    """Say whether a pipeline only changes values, so that size, spacing and orientation are those of the files."""
    return all(make_transform(step).keeps_grid for step in steps)


def final_shape(steps: Sequence[Step]) -> list[int] | None:
    """Return the size that every image has after a pipeline, None where the pipeline sets none.

    Example:
        >>> final_shape([Step(name="to_canonical"), Step(name="crop_or_pad", parameters=[64, 64, 32])])
        [64, 64, 32]
    """
    sizes = (make_transform(step).sets_size() for step in reversed(steps))
    return next((list(size) for size in sizes if size is not None), None)


def for_phase(steps: Sequence[Step], phase: Phase) -> tuple[Step, ...]:
    """Return the steps that act in ``phase``."""
    return tuple(step for step in steps if phase == "train" or not make_transform(step).train_only)


def with_mask(image: Image, mask: Image) -> Image:
    """Return ``image`` with the labels of ``mask``.

    Raises:
        TransformError: they lie on another grid, or are not whole numbers in one channel.
    """
    _check_grid("mask", image, mask)
    if (mask.array != np.rint(mask.array)).any():
        raise TransformError("the mask holds other values than whole numbers", "Mask")
    if mask.array.min() < 0 or mask.array.max() > LARGEST_LABEL:
        raise TransformError(f"the mask holds labels outside of 0 to {LARGEST_LABEL}", "Mask")
    return replace(image, mask=mask.array[0].astype(np.int32))


def with_region(image: Image, region: Image) -> Image:
    """Return ``image`` with a region, which is where ``region`` is not 0.

    Raises:
        TransformError: it lies on another grid.
    """
    _check_grid("region", image, region)
    return replace(image, region=(region.array[0] != 0).astype(np.int32))


def _check_grid(name: str, image: Image, labels: Image) -> None:
    if labels.num_channels != 1 or not image.geometry.matches(labels.geometry):
        raise TransformError(f"the {name} {labels.array.shape} lies on another grid than the image {image.array.shape}")


def with_channels(image: Image, channels: int) -> Image:
    """Return a picture with ``channels`` channels: grey made of RGB by the mean, RGB made of grey by repeating."""
    if image.num_channels == channels:
        return image
    array = image.array.mean(axis=0, keepdims=True) if channels == 1 else np.repeat(image.array, channels, axis=0)
    return replace(image, array=array, scale=np.ones(channels), offset=np.zeros(channels))
