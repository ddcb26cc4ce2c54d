"""Are images that were made for masks as good to learn segmentation from as real ones?"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from benchmarks.tasks.commands import Row, Training, generate, train
from benchmarks.tasks.hippocampi import Plane, deform, read_planes, with_tissues, write_plane
from benchmarks.tasks.segmenter import scale_image, score_segmenter, train_segmenter

Array = npt.NDArray[Any]
Labelled = tuple[list[Array], list[Array]]
Result = dict[str, Any]

_MODEL = {"model_name": "pix2pix", "conditioning": ["mask"], "save_eval_images_every_n_epochs": -1}
_CONFIG = {"model_config": _MODEL, "data_augmentation": {"affine": {"degrees": 5}}}
_MASKS: dict[str, Callable[[Plane], Array]] = {"with tissues": with_tissues, "hippocampus": lambda plane: plane.mask}

_NOISY = "synthetic with white noise of the strength of the real texture"


def usefulness(folder: Path, minutes: float) -> Result:
    """Dice, on 40 subjects that nothing was trained on, of a U-Net trained on real and on synthetic planes.

    Synthetic planes are made for masks that were deformed, so that no patient has them: masks of the hippocampus alone,
    and masks that also sort what surrounds it into four classes of brightness.
    """
    learned, held_out = read_planes()
    real: Labelled = [plane.image for plane in learned], [plane.mask for plane in learned]
    results: Result = {"planes": len(learned), "real": _dice(real, held_out)}
    for name, mask_of in _MASKS.items():
        place = folder / name.replace(" ", "_")
        rows = _write_pairs(place / "pairs", learned, mask_of)
        training = train(place, _CONFIG, rows, minutes)
        synthetic = _synthetic(place, training, learned, mask_of)
        both = real[0] + synthetic[0], real[1] + synthetic[1]
        noisy = _with_noise(synthetic[0], real[0]), synthetic[1]
        arms = {"synthetic": synthetic, _NOISY: noisy, "both": both}
        results[name] = training.cost | {arm: _dice(planes, held_out) for arm, planes in arms.items()}
    return results


def _dice(planes: Labelled, held_out: Sequence[Plane]) -> dict[str, float]:
    network = train_segmenter(*planes)
    return score_segmenter(
        network,
        [plane.image for plane in held_out],
        [plane.mask for plane in held_out],
        [plane.subject for plane in held_out],
    )


def _with_noise(synthetic: Sequence[Array], real: Sequence[Array]) -> list[Array]:
    """Return synthetic planes with noise a little stronger than what a median filter takes from real ones."""
    rng = np.random.default_rng(2)
    scaled = [scale_image(image) for image in real]
    strengths = [float((image - ndimage.median_filter(image, 3)).std()) for image in scaled]
    return [scale_image(image) + rng.normal(size=image.shape) * rng.choice(strengths) * 1.2 for image in synthetic]


def _write_pairs(folder: Path, planes: Sequence[Plane], mask_of: Callable[[Plane], Array]) -> list[Row]:
    return [
        {
            "SubjectID": plane.name,
            "Channel_0": write_plane(folder, f"{plane.name}_image", plane.image),
            "Mask": write_plane(folder, f"{plane.name}_mask", mask_of(plane)),
        }
        for plane in planes
    ]


def _synthetic(place: Path, training: Training, planes: Sequence[Plane], mask_of: Callable[[Plane], Array]) -> Labelled:
    rng = np.random.default_rng(1)
    masks, rows = [], []
    for plane in planes:
        (mask,) = deform([mask_of(plane)], rng)
        masks.append(mask)
        rows.append({"SubjectID": plane.name, "Mask": write_plane(place / "masks", plane.name, mask)})
    made = generate(training, rows, place / "made").parents[1]
    files = [next(made.rglob(f"{plane.name}_synthetic.nii.gz")) for plane in planes]
    return [nibabel.load(file).get_fdata()[..., 0] for file in files], masks
