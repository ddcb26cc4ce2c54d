"""The conformance kit of preprocessing: deterministic steps from image to image."""

import pickle
from dataclasses import replace

import numpy as np

from gandlf_synth.config import Step
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.processing.base import Transform
from gandlf_synth.data.processing.pipeline import make_transform
from gandlf_synth.testing.images import lies_within, world_image, world_values
from gandlf_synth.testing.promises import Promises, checked_step, seen_unless

_TOLERANCE = 0.05
"""Of values that were interpolated; neighboring voxels of the made-up image differ by 1.5 and more."""


def check_preprocessing(name: str, parameters: object = None, *, spatial_dims: int = 3, num_channels: int = 1) -> None:
    """Check a registered preprocessing step.

    Args:
        name: the registered name.
        parameters: as in the YAML; absent: its defaults.
        spatial_dims: of the images that it is tried on, 2 or 3.
        num_channels: of the images that it is tried on.

    Raises:
        ConfigError: the name or a parameter is wrong.
        PluginError: every promise that the step breaks.

    Example:
        >>> check_preprocessing("resize", [8, 8], spatial_dims=2)
    """
    step = checked_step("preprocessing", name, parameters)
    image = world_image(spatial_dims, num_channels)
    promises = Promises(f"preprocessing.{name}, {spatial_dims}D")
    promises.add("its parameters can be written and read again", _parameters_round_trip, step)
    promises.add("it returns 32-bit channels on a grid of their size", _consistent, step, image)
    promises.add("the same image gives the same result, and is not changed", _repeatable, step, image)
    promises.add("it works in another process", _can_be_sent, step, image)
    promises.add("on another grid, the geometry says where the voxels lie", _right_place, step, image)
    promises.add("it comes out at the size that it says, where it says one", _says_size, step, image)
    promises.add("scale and offset lead back to the values in the file", _way_back, step, image)
    promises.add("the mask lies on the grid of the image, with labels that were there before", _mask, step, image)
    promises.add("without a mask there is none", _no_mask, step, image)
    promises.check()


def _parameters_round_trip(step: Step) -> str:
    transform = make_transform(step)
    again = type(transform).model_validate(transform.model_dump(mode="json", exclude_unset=True))
    return seen_unless(again == transform, again)


def _consistent(step: Step, image: Image) -> str:
    result = make_transform(step)(image)
    num_channels, *shape = result.array.shape
    fits = tuple(shape) == result.geometry.shape and len(result.scale) == len(result.offset) == num_channels
    kept = fits and result.array.dtype == np.float32 and bool(np.isfinite(result.array).all())
    return seen_unless(kept, f"{result.array.dtype} {result.array.shape} on a grid of {result.geometry.shape}")


def _repeatable(step: Step, image: Image) -> str:
    copy = replace(image, array=image.array.copy())
    first, second = (make_transform(step)(image) for _ in range(2))
    if not np.array_equal(image.array, copy.array):
        return seen_unless(False, "a changed original")
    return seen_unless(np.array_equal(first.array, second.array), "another result")


def _can_be_sent(step: Step, image: Image) -> str:
    transform = make_transform(step)
    sent: Transform = pickle.loads(pickle.dumps(transform))  # noqa: S301
    return seen_unless(np.array_equal(sent(image).array, transform(image).array), "another result")


def _right_place(step: Step, image: Image) -> str:
    result = make_transform(step)(image)
    if result.geometry.matches(image.geometry):
        return ""
    restored = (result.array[0] - result.offset[0]) / result.scale[0]
    inside = lies_within(result.geometry, image.geometry)
    error = np.median(np.abs(restored - world_values(result.geometry))[inside])
    return seen_unless(bool(error < _TOLERANCE), f"values {error:.3g} away from what lies there")


def _says_size(step: Step, image: Image) -> str:
    transform = make_transform(step)
    size, shape = transform.sets_size(), transform(image).geometry.shape
    return seen_unless(size is None or tuple(size) == shape, f"{shape} and says {size}")


def _way_back(step: Step, image: Image) -> str:
    result = make_transform(step)(image)
    changed = not (np.array_equal(result.scale, image.scale) and np.array_equal(result.offset, image.offset))
    if not changed or result.array.shape != image.array.shape:
        return ""
    axes = (slice(None), *(None,) * (image.array.ndim - 1))
    restored = (result.array - result.offset[axes]) / result.scale[axes]
    inside = (result.array > result.array.min()) & (result.array < result.array.max())  # the ends may be cut off
    error = np.abs(restored - image.array)[inside]
    return seen_unless(
        bool(np.median(error) < _TOLERANCE), f"values {np.median(error):.3g} away from those of the file"
    )


def _mask(step: Step, image: Image) -> str:
    result = make_transform(step)(image)
    if result.mask is None:
        return seen_unless(False, "no mask")
    labels = sorted(set(np.unique(result.mask)) - {0, 1})
    fits = result.mask.shape == result.geometry.shape
    return seen_unless(fits and not labels, f"labels {labels}" if fits else f"a mask of {result.mask.shape}")


def _no_mask(step: Step, image: Image) -> str:
    result = make_transform(step)(replace(image, mask=None))
    return seen_unless(result.mask is None, "a mask")
