"""Stain normalisation of histopathology: the colours of one slide in the colours of another.

Light absorbed by stains adds up in optical density (Beer–Lambert): ``OD = -ln(I / white) = concentrations · stains``.
The concentrations of an image are kept, its two stain colours are exchanged for the target's.
"""

from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.processing.base import Transform, TransformError
from gandlf_synth.data.processing.transforms.matching import target_image

Values = NDArray[np.float64]
Extractor = Literal["vahadane", "macenko", "ruifrok"]

_RGB = 3
_LEAST_DENSITY = 0.15
"""Mean density below which a pixel is glass (0.15 as in Macenko et al., section 2.1, who ask it of every channel, which
leaves out pale eosin)."""
_LEAST_TISSUE = 32
_ANGLES = (1, 99)
"""Robust extremes of the hues, percentiles (Macenko et al., section 2.2)."""
_STRONG = 99
"""Percentile of the concentrations that is matched, as a maximum that noise does not decide."""
_SPARSITY = 0.1
"""Weight of the concentrations' sum (Vahadane et al., equation 4)."""
_ITERATIONS = 100
_MOST_PIXELS = 20_000
_TINY = 1e-9


class StainNormalizer(Transform):
    """Brings an H&E picture to the stain colours of a target picture.

    Example:
        >>> import tempfile
        >>> from PIL import Image as Picture
        >>> from gandlf_synth.data.formats.readers import read_image
        >>> path = Path(tempfile.mkdtemp()) / "slide.png"
        >>> Picture.new("RGB", (8, 8), (120, 60, 140)).save(path)
        >>> image = read_image(path)
        >>> bool(np.allclose(StainNormalizer(target=path)(image).array, image.array, atol=40))
        True
    """

    keeps_grid: ClassVar[bool] = True
    positional: ClassVar[str | None] = "target"

    target: Path
    """A picture stained as all should look."""
    extractor: Extractor = "ruifrok"
    """How stain colours are found: fixed (Ruifrok & Johnston 2001), by the extreme hues (Macenko et al. 2009), or by
    sparse non-negative matrix factorisation (Vahadane et al. 2016)."""

    def sources(self) -> tuple[Path, ...]:
        """Return the target."""
        return (self.target,)

    def __call__(self, image: Image) -> Image:
        """Return the picture in the target's colours, in its own number range; glass stays as it is.

        Raises:
            TransformError: not an RGB picture in the files' units, or too little tissue.
        """
        if image.num_channels != _RGB or not (image.scale == 1).all() or image.array.min(initial=0) < 0:
            raise TransformError("needs RGB pictures with the values of the files: put it before normalisation")
        stains, strong = _target_stains(self.target, self.extractor)
        density = _density(image)
        concentrations, own_strong = _unmixed(density, self.extractor)
        mixed = (concentrations * (strong / own_strong)) @ stains
        white = _white(image)
        array = (white * np.exp(-mixed)).T.reshape(image.array.shape)
        return image.with_values(np.clip(array, 0, white).astype(np.float32))


@lru_cache(maxsize=8)
def _target_stains(target: Path, extractor: Extractor) -> tuple[Values, Values]:
    """Return the target's stains ``(2, 3)`` and their robust strongest concentrations ``(2,)``."""
    picture = target_image(target)
    if picture.num_channels != _RGB:
        raise TransformError(f"the target has {picture.num_channels} channels; allowed: RGB")
    density = _density(picture)
    return stain_colours(density, extractor), _unmixed(density, extractor)[1]


def _white(image: Image) -> float:
    return float(np.iinfo(image.dtype).max) if np.issubdtype(image.dtype, np.integer) else 1.0


def _density(image: Image) -> Values:
    """Return the optical density of every pixel, ``(pixels, 3)``, natural logarithm."""
    white = _white(image)
    light = image.array.reshape(_RGB, -1).T.astype(float) / white
    return -np.log(np.clip(light, 1 / (white + 1) if white > 1 else 1 / 256, 1))


def _unmixed(density: Values, extractor: Extractor) -> tuple[Values, Values]:
    """Return the concentrations ``(pixels, 2)``, not negative, and the robust strongest of each stain."""
    stains = stain_colours(density, extractor)
    concentrations = np.maximum(np.linalg.lstsq(stains.T, density.T, rcond=None)[0].T, 0)
    return concentrations, np.maximum(np.percentile(concentrations, _STRONG, axis=0), _TINY)


def stain_colours(density: Values, extractor: Extractor) -> Values:
    """Return the optical density of haematoxylin and of eosin, ``(2, 3)``, each of length 1.

    Args:
        density: optical density of the pixels, ``(pixels, 3)``.
        extractor: how they are found.

    Raises:
        TransformError: too few pixels are stained.
    """
    if extractor == "ruifrok":
        return _ruifrok()
    tissue = density[density.mean(axis=1) > _LEAST_DENSITY]
    if len(tissue) < _LEAST_TISSUE:
        raise TransformError(f"only {len(tissue)} pixels are stained, too few to find the colours of the stains")
    tissue = tissue[:: max(1, len(tissue) // _MOST_PIXELS)]
    return _macenko(tissue) if extractor == "macenko" else _vahadane(tissue)


def _ruifrok() -> Values:
    from skimage.color import rgb_from_hed

    return _unit(np.array(rgb_from_hed[:2], dtype=float))


def _macenko(tissue: Values) -> Values:
    """Return the extreme directions in the plane of the two largest principal components."""
    _, vectors = np.linalg.eigh(np.cov(tissue.T))
    plane = vectors[:, [2, 1]]
    plane *= np.where(plane.sum(axis=0) < 0, -1, 1)
    angles = np.arctan2(*(tissue @ plane).T[::-1])
    extremes = np.percentile(angles, _ANGLES)
    return _haematoxylin_first(np.stack([plane @ [np.cos(angle), np.sin(angle)] for angle in extremes]))


def _vahadane(tissue: Values) -> Values:
    """Return the stains ``W`` that minimise ``|OD - H·W|² / 2 + λ|H|₁``, all not negative, rows of ``W`` of length 1.

    Multiplicative updates (Hoyer 2002, section 3), from the fixed stains, so that the outcome is the same every time.
    """
    stains = _ruifrok()
    amounts = np.maximum(tissue @ np.linalg.pinv(stains), _TINY)
    for _ in range(_ITERATIONS):
        amounts *= (tissue @ stains.T) / (amounts @ stains @ stains.T + _SPARSITY)
        stains *= (amounts.T @ tissue) / (amounts.T @ amounts @ stains + _TINY)
        stains = _unit(stains)
    return _haematoxylin_first(stains)


def _haematoxylin_first(stains: Values) -> Values:
    """Return the stains with haematoxylin, which absorbs more red, in front."""
    positive = _unit(np.maximum(stains, 0))
    return positive if positive[0, 0] >= positive[1, 0] else positive[::-1]


def _unit(stains: Values) -> Values:
    unit: Values = stains / np.maximum(np.linalg.norm(stains, axis=1, keepdims=True), _TINY)
    return unit
