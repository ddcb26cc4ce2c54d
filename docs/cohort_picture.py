"""``python docs/cohort_picture.py PROJECT``: draws README's cohort, and the card of the report on the same images.

PROJECT is what ``gandlf-synth init`` wrote, with ``model_inference_output`` and ``evaluation`` in it. The card needs
Chromium.
"""

import argparse
import csv
import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.display import SheetRow, contact_sheet, save_png
from gandlf_synth.evaluation.report.pdf import find_browser

_IMAGES = Path(__file__).parent / "images"
_SHOWN, _TILE = 10, 64
_CARD = (880, 945)
"""Of the browser's window, in pixels: the verdicts and what they rest on."""


def main() -> None:
    """Write ``cohort.png`` and ``report.png``."""
    parser = argparse.ArgumentParser(prog="python docs/cohort_picture.py")
    parser.add_argument("project", type=Path)
    parser.add_argument("--out", type=Path, default=_IMAGES)
    options = parser.parse_args()
    synthetic = options.project / "model_inference_output" / "inference_logs" / "images.csv"
    rows = []
    for name in sorted(_files(options.project / "test.csv")):
        for kind, table in (("real", options.project / "test.csv"), ("synthetic", synthetic)):
            shown = [_pixels(file) for file in _files(table)[name][:_SHOWN]]
            rows.append(SheetRow(f"{name}, {kind}", shown))
    save_png(contact_sheet(rows, tile=_TILE), options.out / "cohort.png", synthetic=True)
    photograph(options.project / "evaluation" / "report.html", options.out / "report.png", _CARD)


def _files(table: Path) -> dict[str, list[Path]]:
    """Return the images of each class, in the order of a CSV."""
    classes: dict[str, list[Path]] = {}
    with table.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            classes.setdefault(row["LabelMapping"], []).append(table.parent / row["Channel_0"])
    return classes


def _pixels(file: Path) -> NDArray[np.uint8]:
    plane: NDArray[np.generic] = read_image(file).array[0].squeeze()
    return plane.T.astype(np.uint8)


def photograph(page: Path, picture: Path, size: tuple[int, int]) -> None:
    """Write what Chromium shows of ``page`` in a window of ``size``, in pixels."""
    window = f"--window-size={size[0]},{size[1]}"
    command = [find_browser(), "--headless=new", "--no-sandbox", "--hide-scrollbars", window, f"--screenshot={picture}"]
    subprocess.run([*command, page.resolve().as_uri()], check=True, capture_output=True)  # noqa: S603
    Image.open(picture).convert("RGB").quantize(128).save(picture, optimize=True)


if __name__ == "__main__":
    main()
