"""Are images that were made for masks as good to learn segmentation from as real ones?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from benchmarks.tasks.commands import Row, Training, generate, keep_sheet, train
from benchmarks.tasks.hippocampi import (
    Labelled,
    deform,
    hippocampus,
    read_hippocampi,
    read_others,
    with_eight_tissues,
    with_tissues,
    write_labelled,
)
from benchmarks.tasks.segmenter import STEPS, crop, scale_image, score_segmenter, train_segmenter
from gandlf_synth.synthesis.copies import build_copy_gate

Array = npt.NDArray[Any]
Pairs = tuple[list[Array], list[Array]]
Result = dict[str, Any]


@dataclass(frozen=True)
class Arm:
    """How images are made for masks.

    Args:
        model: what of ``model_config`` is written.
        mask_of: the mask that an image is made for.
        dimensions: of planes (2) or volumes (3).
        deformed: how many deformed masks are made of each.
    """

    model: Mapping[str, object] = field(default_factory=lambda: {"model_name": "pix2pix"})
    mask_of: Callable[[Labelled], Array] = with_tissues
    dimensions: int = 2
    deformed: int = 1


_FLOW: dict[str, object] = {"model_name": "flow_matching"}
_EDM: dict[str, object] = {"model_name": "ddpm", "prediction_type": "edm"}
_NOISE = {"architecture": {"noise_channels": 4}}
USEFULNESS: Mapping[str, Arm] = {
    "usefulness": Arm(),
    "usefulness: hippocampus alone": Arm(mask_of=hippocampus),
    "usefulness: eight tissues": Arm(mask_of=with_eight_tissues),
    "usefulness: regression": Arm({"model_name": "pix2pix", "adversarial_weight": 0}),
    "usefulness: pix2pix with noise, a strong discriminator": Arm(
        {"model_name": "pix2pix", **_NOISE, "adversarial_weight": 1.0, "adversarial_start_fraction": 0.1}
    ),
    "usefulness: flow": Arm(_FLOW, deformed=3),
    "usefulness: flow, hippocampus alone": Arm(_FLOW, hippocampus, deformed=3),
    "usefulness: ddpm": Arm(_EDM, deformed=3),
    "usefulness: 3D pix2pix": Arm(dimensions=3),
    "usefulness: 3D flow": Arm(_FLOW, dimensions=3, deformed=2),
    "usefulness: 3D flow, hippocampus alone": Arm(_FLOW, hippocampus, dimensions=3, deformed=2),
}
"""By the name on the command line."""
_OF_OTHERS = ", masks of others"
_NO_COPIES = ", copies left out"
_FEWEST_KEPT = 8
"""Images without which nothing is learned: a batch of the segmenter."""
_NOISY = "synthetic with white noise of the strength of the real texture"


def usefulness(folder: Path, minutes: float, name: str = "usefulness") -> Result:
    """Dice, on 40 subjects that nothing was trained on, of a U-Net trained on real and on synthetic images.

    Synthetic images are made for masks that were deformed, so that no patient has them: masks of the hippocampus alone,
    and masks that also sort what surrounds it into classes of brightness, which make images much like that patient's.
    """
    arm = USEFULNESS[name]
    learned, held_out = read_hippocampi(arm.dimensions)
    rows = _write_pairs(folder / "pairs", learned, arm.mask_of)
    model = {**arm.model, "conditioning": ["mask"], "save_eval_images_every_n_epochs": -1}
    augmentation = {"affine": {"degrees": 5, "probability": 0.2}}
    training = train(folder, {"model_config": model, "data_augmentation": augmentation}, rows, minutes)
    real: Pairs = [one.image for one in learned], [one.mask for one in learned]
    results = training.cost | {"images": len(learned), "steps of the segmenter": STEPS, "real": _dice(real, held_out)}
    for masks_of, subjects in {"": learned, _OF_OTHERS: read_others(arm.dimensions)}.items():
        made = _synthetic(folder / ("others" if masks_of else "made"), training, subjects, arm)
        results |= _measure(made, real, learned, held_out, masks_of)
    return results


def _measure(
    made: Pairs, real: Pairs, learned: Sequence[Labelled], held_out: Sequence[Labelled], masks_of: str
) -> Result:
    """Return what synthetic images are worth: all of them, and those that ``--refuse-copies`` lets pass."""
    kept = _leave_out_copies(made, learned)
    results: Result = {
        f"synthetic images{masks_of}": len(made[0]),
        f"of them like copies{masks_of}": len(made[0]) - len(kept[0]),
        f"synthetic{masks_of}": _dice(made, held_out),
    }
    if len(kept[0]) >= _FEWEST_KEPT and len(kept[0]) < len(made[0]):
        results[f"synthetic{masks_of}{_NO_COPIES}"] = _dice(kept, held_out)
    if kept[0]:
        both = real[0] + kept[0], real[1] + kept[1]
        results[f"real and synthetic{masks_of}{_NO_COPIES}"] = _dice(both, held_out)
    noisy = _with_noise(made[0], real[0]), made[1]
    return results | {f"{_NOISY}{masks_of}": _dice(noisy, held_out)}


def _dice(pairs: Pairs, held_out: Sequence[Labelled]) -> dict[str, float]:
    network = train_segmenter(*pairs)
    images, masks = [one.image for one in held_out], [one.mask for one in held_out]
    return score_segmenter(network, images, masks, [one.subject for one in held_out])


def _leave_out_copies(made: Pairs, learned: Sequence[Labelled]) -> Pairs:
    """Return the pairs whose image ``generate --refuse-copies`` would let pass: not too like one learned from."""
    real, synthetic = (
        [torch.tensor(crop(scale_image(image)) * 2 - 1).float()[None, None] for image in images]
        for images in ([one.image for one in learned], made[0])
    )
    gate = build_copy_gate(real, [one.subject for one in learned], "hippocampus_mri_3d")
    kept = [place for place, verdict in enumerate(gate.judge(torch.cat(synthetic))) if not verdict.copy]
    return [made[0][place] for place in kept], [made[1][place] for place in kept]


def _with_noise(synthetic: Sequence[Array], real: Sequence[Array]) -> list[Array]:
    """Return synthetic images with noise a little stronger than what a median filter takes from real ones."""
    rng = np.random.default_rng(2)
    scaled = [scale_image(image) for image in real]
    strengths = [float((image - ndimage.median_filter(image, 3)).std()) for image in scaled]
    return [scale_image(image) + rng.normal(size=image.shape) * rng.choice(strengths) * 1.2 for image in synthetic]


def _write_pairs(folder: Path, images: Sequence[Labelled], mask_of: Callable[[Labelled], Array]) -> list[Row]:
    return [
        {
            "SubjectID": one.name,
            "Channel_0": write_labelled(folder, f"{one.name}_image", one.image),
            "Mask": write_labelled(folder, f"{one.name}_mask", mask_of(one)),
        }
        for one in images
    ]


def _synthetic(place: Path, training: Training, images: Sequence[Labelled], arm: Arm) -> Pairs:
    rng = np.random.default_rng(1)
    masks, rows = [], []
    for number in range(arm.deformed):
        for one in images:
            (mask,) = deform([arm.mask_of(one)], rng)
            masks.append(mask)
            name = f"{one.name}_{number}"
            rows.append({"SubjectID": name, "Mask": write_labelled(place / "masks", name, mask)})
    table = generate(training, rows, place / "images")
    keep_sheet(table, place.with_suffix(".png"))
    files = [next(table.parents[1].rglob(f"{row['SubjectID']}_synthetic.nii.gz")) for row in rows]
    return [nibabel.load(file).get_fdata().reshape(mask.shape) for file, mask in zip(files, masks, strict=True)], masks
