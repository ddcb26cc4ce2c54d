"""``python docs/pictures.py``: draws the pictures of ``docs/images`` that follow from the code, of MNI152 slices."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from gandlf_synth import registry
from gandlf_synth.config import Step
from gandlf_synth.data.processing.augmenter import Augmenter
from gandlf_synth.demo.brain_slices import slices_with_tissue
from gandlf_synth.display import SheetRow, contact_sheet, save_png

Pixels = NDArray[np.uint8]
_ROOT = Path(__file__).parents[1]
_FOLDER = _ROOT / "docs" / "images"
_SIDE = 72
_TRIES = 4
_SHOWN = 7
_PARAMETERS = {
    "flip": {"axis": [0, 1]},
    "rotate_90": {"axis": [0]},
    "rotate_180": {"axis": [0]},
}
"""What augmentations need that have no default."""
_IN_COLOR = ("colorjitter", "hed_transform")
_FLAWS = {
    "blur": "blur",
    "noise": "noise",
    "half resolution": "lower resolution",
    "checkerboard": "checkerboard",
    "seam": "seam",
    "inverted contrast": "inverted",
    "clipped at the 85th percentile": "clipped",
    "brighter": "brighter",
    "grey background": "background",
    "5 % images of pure noise": "single outliers",
    "mode collapse": "mode collapse",
}
"""Planted flaws that are shown, with their titles."""


def main() -> None:
    """Draw all pictures, in few colors, so that they stay small."""
    _save("augmentations", [_row(name) for name in registry.names("augmentations")])
    _save("flaws", list(flawed()))


def _save(name: str, rows: list[SheetRow]) -> None:
    sheet = contact_sheet(rows, tile=_SIDE)
    save_png(sheet.quantize(64), _FOLDER / f"{name}.png")


def _row(name: str) -> SheetRow:
    """Return a plane as it is, then under the augmentation ``name``, each time from another seed."""
    plane = axial_plane()
    image = torch.from_numpy(plane / 127.5 - 1).float()[None]
    if name in _IN_COLOR:
        image = torch.cat([image, 0.8 * image - 0.2, image])
    step = Step(name=name, parameters={**_PARAMETERS.get(name, {}), "probability": 1.0})
    augmenter = Augmenter([step], 2)
    images = [image, *(augmenter(image.clone(), seed) for seed in range(1, _TRIES + 1))]
    return SheetRow(name, [_picture(one) for one in images])


def axial_plane() -> Pixels:
    """Return a plane through the middle of the brain, front up, of ``_SIDE`` pixels."""
    planes = slices_with_tissue("axial")
    picture = Image.fromarray(np.rot90(planes[len(planes) // 2].t1))
    return np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS))


def _picture(image: torch.Tensor) -> Pixels:
    pixels = ((image + 1) * 127.5).round().clip(0, 255).to(torch.uint8).numpy()
    return pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1)


def flawed() -> Iterator[SheetRow]:
    """Return real planes, then others with each of the flaws that the tests of ``evaluate`` plant."""
    sys.path.insert(0, str(_ROOT))
    from tests.reliability.planted.flaws import FLAWS
    from tests.reliability.planted.material import Material
    from tests.reliability.planted.real_sets import brains

    real, train, other = brains(64, 60).split(0)
    material = Material(other, train, np.random.default_rng(0))
    rows = {"real": real.images} | {
        _FLAWS[flaw.name]: flaw.plant(material).images for flaw in FLAWS if flaw.name in _FLAWS
    }
    for title, images in rows.items():
        shown = [(image - material.low) / material.span * 255 for image in images[:_SHOWN]]
        yield SheetRow(title, [np.rot90(image.clip(0, 255).astype(np.uint8)) for image in shown])


if __name__ == "__main__":
    main()
