"""Cuts whole-slide images into tiles, of which those that show tissue are worth training on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.readers import UnreadableError
from gandlf_synth.data.formats.readers.slide import MOST_READ, Tile, opened_slide, shrinkage

_OVERVIEW = 2048
"""Longest side of the picture in which tissue is looked for."""
_LEAST_SATURATION = 0.05
"""Below it even the stained pixels of Otsu's two groups are glass: an empty slide has no tissue."""


@dataclass(frozen=True)
class TileGrid:
    """Squares side by side.

    Args:
        size: pixels of a side.
        magnification: at which they are read.
        tissue_fraction: the share of a tile that must be tissue.
    """

    size: int
    magnification: float
    tissue_fraction: float = 0.5


def tissue_tiles(path: Path, grid: TileGrid) -> Iterator[Tile]:
    """Yield the tiles of a slide that hold enough tissue, row by row.

    Raises:
        UnreadableError: the slide is damaged, or was scanned at less than the magnification.
    """
    with opened_slide(path) as slide:
        extent = round(grid.size * shrinkage(slide, grid.magnification))
        width, height = slide.dimensions
        mask = tissue_mask(np.asarray(_overview(slide)))
        scale = np.array(mask.shape) / (height, width)
        for y in range(0, height - extent + 1, extent):
            for x in range(0, width - extent + 1, extent):
                (top, left), (bottom, right) = (np.array([[y, x], [y + extent, x + extent]]) * scale).astype(int)
                part = mask[top : max(bottom, top + 1), left : max(right, left + 1)]
                if part.mean() >= grid.tissue_fraction:
                    yield Tile(x, y, grid.size, grid.magnification)


def tissue_mask(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where a stained slide ``(rows, columns, 3)`` is no glass.

    Glass is grey; stain is saturated. The limit between the two is Otsu's (IEEE Trans. SMC 9, 1979).
    """
    from skimage.color import rgb2hsv
    from skimage.filters import threshold_otsu

    saturation: NDArray[np.float64] = rgb2hsv(picture)[..., 1]
    return saturation > max(float(threshold_otsu(saturation)), _LEAST_SATURATION)


def _overview(slide: Any) -> Any:
    width, height = slide.dimensions
    level = slide.get_best_level_for_downsample(max(width, height) / _OVERVIEW)
    columns, rows = slide.level_dimensions[level]
    if columns * rows > MOST_READ:
        what = f"has no small level: the best for an overview has {columns:,} × {rows:,} pixels"
        raise UnreadableError(what, "a pyramidal slide", "convert it to a pyramidal TIFF")
    return slide.get_thumbnail((_OVERVIEW, _OVERVIEW), use_embedded=False).convert("RGB")
