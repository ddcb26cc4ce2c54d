"""``python docs/report_pictures.py FOLDER``: draws the reports on chest X-rays in which something is wrong.

FOLDER holds ``train`` and ``test``, and in each a folder of PNG files for each class. What stands for synthetic images
are real ones that nothing else sees: changed, and with copies of training images among them. Needs Chromium and the
extra ``features``.
"""

import argparse
import csv
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from cohort_picture import photograph
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Pixels = NDArray[np.uint8]
Labeled = Sequence[tuple[str, Pixels]]
_IMAGES = Path(__file__).parent / "images"
_REAL, _SYNTHETIC, _TRAIN = 220, 150, 500
_COPIES = 10
_PANELS = ("Map of the features", "Intensities", "Fine detail", "First-order and texture features")


def main() -> None:
    """Write ``report_copies.png``, ``report_panels.png`` and ``report_comparison.png``."""
    parser = argparse.ArgumentParser(prog="python docs/report_pictures.py")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=_IMAGES)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _evaluate_all(options.folder, folder)
        photograph(folder / "noisy" / "report.html", options.out / "report_copies.png", (1000, 1700))
        photograph(_panels_alone(folder / "soft" / "report.html"), options.out / "report_panels.png", (1240, 1190))
        photograph(folder / "both" / "comparison.html", options.out / "report_comparison.png", (1000, 1090))


def _evaluate_all(source: Path, folder: Path) -> None:
    rng = np.random.default_rng(0)
    train, test = (_pictures(source / part) for part in ("train", "test"))
    _save(folder, "real", test[:_REAL])
    _save(folder, "train", train[:_TRAIN])
    others = train[_TRAIN : _TRAIN + _SYNTHETIC]
    _save(folder, "sharp_images", others)
    _save(folder, "soft_images", [(label, _softened(image)) for label, image in others])
    copies = [(label, _copied(image, k, rng)) for k, (label, image) in enumerate(train[:_COPIES])]
    _save(folder, "noisy_images", [*((label, _noisy(image, 8, rng)) for label, image in others), *copies])
    for name in ("sharp", "soft", "noisy"):
        _run("evaluate", "-r", "real.csv", "-s", f"{name}_images.csv", "--train", "train.csv", "-o", name, at=folder)
    _run("evaluate", "--compare", "soft", "sharp", "-o", "both", at=folder)


def _pictures(folder: Path) -> list[tuple[str, Pixels]]:
    """Return all pictures with their classes, in an order that mixes the classes."""
    files = sorted(folder.rglob("*.png"))
    mixed = [files[place] for place in np.random.default_rng(0).permutation(len(files))]
    return [(file.relative_to(folder).parts[0], np.asarray(Image.open(file).convert("L"))) for file in mixed]


def _softened(image: Pixels) -> Pixels:
    return _to_bytes(ndimage.gaussian_filter(image.astype(float), 0.7))


def _noisy(image: Pixels, deviation: float, rng: np.random.Generator) -> Pixels:
    return _to_bytes(image + rng.normal(0, deviation, image.shape))


def _copied(image: Pixels, number: int, rng: np.random.Generator) -> Pixels:
    """Return a copy: the first two as they are, of the rest every third mirrored, all with a little noise."""
    if number < 2:
        return image
    return _noisy(image[:, ::-1] if number % 3 == 0 else image, 4, rng)


def _to_bytes(values: NDArray[np.floating]) -> Pixels:
    return values.round().clip(0, 255).astype(np.uint8)


def _save(folder: Path, name: str, pictures: Labeled) -> None:
    """Write the images and their CSV."""
    classes = sorted({label for label, _ in pictures})
    (folder / name).mkdir()
    with (folder / f"{name}.csv").open("w", newline="") as lines:
        table = csv.writer(lines)
        table.writerow(["SubjectID", "Channel_0", "Label", "LabelMapping"])
        for k, (label, image) in enumerate(pictures):
            Image.fromarray(image).save(folder / name / f"{k:03d}.png")
            table.writerow([f"{name}-{k}", f"{name}/{k:03d}.png", classes.index(label), label])


def _run(*arguments: str, at: Path) -> None:
    subprocess.run(["gandlf-synth", *arguments], check=True, cwd=at)  # noqa: S603, S607


def _panels_alone(page: Path) -> Path:
    """Return a page next to ``page`` that shows nothing but ``_PANELS``."""
    script = f"""<script>
    const hidden = [...document.querySelectorAll("body > *:not(main), main > *:not(.panels), .panels > *")];
    const kept = (part) => {list(_PANELS)}.includes(part.querySelector("h2")?.textContent);
    for (const part of hidden) if (!part.closest(".panels") || !kept(part)) part.style.display = "none";
    </script>"""
    alone = page.with_name("panels.html")
    alone.write_text(page.read_text().replace("</body>", f"{script}</body>"))
    return alone


if __name__ == "__main__":
    main()
