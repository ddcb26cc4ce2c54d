"""Puts the first images of several sheets of ``benchmarks.quality`` under one another, real ones above.

``python docs/family_pictures.py pictures brain_tumor families_64.png dcgan stylegan2 …``: of 1,200 seconds, seed 0.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks.quality.datasets import load_image_set
from benchmarks.quality.recipes import RECIPES
from benchmarks.quality.scoring import save_sheet
from benchmarks.quality.workers import CACHE
from PIL import Image

from gandlf_synth.display import SheetRow, contact_sheet, save_png

_BORDER = 255
_FIRST_ROW = slice(24, None)
_SHOWN = 12


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pictures", type=Path, help="folder of python -m benchmarks.quality --pictures")
    parser.add_argument("data")
    parser.add_argument("output", type=Path)
    parser.add_argument("recipes", nargs="+")
    options = parser.parse_args()
    images = load_image_set(options.data, CACHE)
    real = options.output.with_suffix(".real.png")
    save_sheet(images.test, "real", real)
    rows = [SheetRow("real", _tiles(real))]
    real.unlink()
    rows += [
        SheetRow(_title(recipe, options.recipes), _tiles(options.pictures / f"{options.data}_{recipe}_1200_0.png"))
        for recipe in options.recipes
    ]
    save_png(contact_sheet(rows), options.output)
    Image.open(options.output).convert("L").save(options.output, optimize=True)


def _title(recipe: str, recipes: Sequence[str]) -> str:
    """Return the family, or the recipe where it is a rival or one of several of its family."""
    families = [RECIPES[each].family for each in recipes]
    family = RECIPES[recipe].family
    return recipe.removeprefix("rival-") if recipe.startswith("rival") or families.count(family) > 1 else family


def _tiles(sheet: Path) -> list[np.ndarray]:
    """Return the tiles of a sheet's first row, which white lines part."""
    pixels = np.asarray(Image.open(sheet).convert("L"))[_FIRST_ROW]
    pixels = pixels[: np.flatnonzero((pixels == _BORDER).all(1))[0]]
    columns = np.flatnonzero(~(pixels == _BORDER).all(0))
    groups = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    return [pixels[:, group] for group in groups[:_SHOWN]]


if __name__ == "__main__":
    main()
