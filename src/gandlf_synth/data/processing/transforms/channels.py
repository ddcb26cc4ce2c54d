"""Steps that change the number of channels of a picture."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.processing.base import Transform, TransformError

_RGB, _RGBA = 3, 4


class RGBAToRGB(Transform):
    """Puts a picture with transparency on white; a picture without stays as it is.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.array([0, 0, 0, 0], np.uint8).reshape(4, 1, 1), Geometry((1, 1)))
        >>> RGBAToRGB()(image).array.ravel().tolist()
        [255.0, 255.0, 255.0]
    """

    keeps_grid: ClassVar[bool] = True

    def __call__(self, image: Image) -> Image:
        """Return three channels."""
        if image.num_channels == _RGB:
            return image
        if image.num_channels != _RGBA:
            raise TransformError(f"the image has {image.num_channels} channels; allowed: 3 or 4")
        white = _white(image)
        alpha = image.array[_RGB:] / white
        array = image.array[:_RGB] * alpha + white * (1 - alpha)
        return replace(image, array=array.astype(np.float32), scale=image.scale[:_RGB], offset=image.offset[:_RGB])


class RGBToRGBA(Transform):
    """Adds an opaque fourth channel.

    Example:
        >>> from gandlf_synth.geometry import Geometry
        >>> image = Image.from_file_values(np.array([9, 9, 9], np.uint8).reshape(3, 1, 1), Geometry((1, 1)))
        >>> RGBToRGBA()(image).array.ravel().tolist()
        [9.0, 9.0, 9.0, 255.0]
    """

    keeps_grid: ClassVar[bool] = True

    def __call__(self, image: Image) -> Image:
        """Return four channels."""
        if image.num_channels == _RGBA:
            return image
        if image.num_channels != _RGB:
            raise TransformError(f"the image has {image.num_channels} channels; allowed: 3 or 4")
        opaque = np.full_like(image.array[:1], _white(image))
        scale, offset = (np.append(values, values[-1]) for values in (image.scale, image.offset))
        return replace(image, array=np.concatenate([image.array, opaque]), scale=scale, offset=offset)


def _white(image: Image) -> float:
    return float(np.iinfo(image.dtype).max) if np.issubdtype(image.dtype, np.integer) else 1.0
