"""Holes filled without learning: what a model has to beat."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[Any]


def fill_with_border(image: Array, hole: Array) -> Array:
    """Return the image with the mean of the voxels around the hole in it."""
    return np.where(hole, image[ndimage.binary_dilation(hole, iterations=2) & ~hole].mean(), image)


def fill_biharmonic(image: Array, hole: Array) -> Array:
    """Return the image with the smoothest surface through its border in the hole."""
    from skimage.restoration import inpaint_biharmonic

    filled: Array = inpaint_biharmonic(image.squeeze(), hole.squeeze()).reshape(image.shape)
    return filled


FILLINGS: Mapping[str, Callable[[Array, Array], Array]] = {
    "mean of the border": fill_with_border,
    "biharmonic": fill_biharmonic,
}
