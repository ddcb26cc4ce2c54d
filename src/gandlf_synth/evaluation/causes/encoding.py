"""What storing does to images: few gray levels, JPEG compression, values that wrap around."""

import io
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gandlf_synth.evaluation.causes.appearance import Planes
from gandlf_synth.evaluation.causes.degradation import ComparedPlanes, Degradation, clipped, each_plane
from gandlf_synth.metrics.intervals import Floats

_STEPS = 1024
"""Values nearer than 1 in so many are one gray level; half precision knows no more."""
_FEW = 64
_FEWER = 2.0
"""How many times more gray levels real images must have."""
_QUALITIES = (5, 10, 20, 40)
_GAINS = (1.1, 1.2, 1.35, 1.5, 2.0)
_OFFSETS = (-0.3, -0.15, 0.15, 0.3)
_COLORS = 3


def encodings(compared: ComparedPlanes) -> Iterator[Degradation]:
    """Give what may have happened when the images were stored."""
    levels, usual = _levels(compared.synthetic), _levels(compared.real)
    if len(levels) <= _FEW and len(usual) > _FEWER * len(levels):
        sentence = f"values are reduced to {len(levels)} gray levels (banding), real images have {_many(usual)}"
        yield Degradation("few_levels", sentence, lambda planes: _nearest_level(planes, levels))
    for quality in _QUALITIES:
        sentence = f"images have the blocks of a strong JPEG compression, as at quality {quality}"
        yield Degradation("compression", sentence, _compress(quality))
    sentence = "values wrap around: what is beyond the range of the number type starts again at its other end"
    for gain in _GAINS:
        yield Degradation("wrap_around", sentence, _wrap(gain, 0.0))
    for offset in _OFFSETS:
        yield Degradation("wrap_around", sentence, _wrap(1.0, offset))


def _levels(planes: Planes) -> Floats:
    levels: Floats = np.unique(np.rint(planes * _STEPS)) / np.float32(_STEPS)
    return levels


def _many(levels: Floats) -> str:
    return str(len(levels)) if len(levels) <= 256 else "many"


def _nearest_level(planes: Planes, levels: Floats) -> Planes:
    place = np.searchsorted((levels[1:] + levels[:-1]) / 2, planes)
    return clipped(levels[place])


def _compress(quality: int) -> Callable[[Planes], Planes]:
    def encode(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality)
        with Image.open(file) as picture:
            return np.asarray(picture)

    def compress(plane: NDArray[np.float32]) -> NDArray[np.floating]:
        pixels = np.rint(plane * 255).astype(np.uint8)
        if len(pixels) == _COLORS:
            stored = encode(np.ascontiguousarray(pixels.transpose(1, 2, 0))).transpose(2, 0, 1)
        else:
            stored = np.stack([encode(channel) for channel in pixels])
        return stored / np.float32(255)

    return lambda planes: each_plane(planes, compress)


def _wrap(gain: float, offset: float) -> Callable[[Planes], Planes]:
    def wrap(planes: Planes) -> Planes:
        values = planes * gain + offset
        return clipped(np.where((values > 1) | (values < 0), values % 1, values))

    return wrap
