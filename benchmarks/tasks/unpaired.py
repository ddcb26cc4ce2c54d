"""One contrast from another without pairs, where the truth is known."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.tasks.cohorts import template_contrasts, write_image
from benchmarks.tasks.commands import Row, compare, generate, keep_sheet, train, write_rows

UNPAIRED: Mapping[str, Mapping[str, object]] = {
    "unpaired": {},
    "unpaired without identity": {"identity_weight": 0},
    "unpaired without shape": {"shape_weight": 0},
    "unpaired without either": {"identity_weight": 0, "shape_weight": 0},
    "unpaired with ten times the shape": {"shape_weight": 1.0},
    "unpaired by mutual information": {"identity_weight": 0, "shape_loss": "mutual_information"},
}
"""By name: what differs from ``cyclegan`` as it comes."""
_RANGE = ("--data-range", "0", "1", "--mask-column", "none", "--error-maps", "none")


def unpaired(folder: Path, minutes: float, name: str = "unpaired") -> dict[str, Any]:
    """Two contrasts of the MNI template whose slices never meet: even ones of one, odd ones of the other."""
    first, second = template_contrasts()
    planes = [z for z in range(20, 75) if first[..., z].any()]
    rows: list[Row] = []
    held_out: list[Row] = []
    for z in planes:
        one, two = (
            write_image(folder / "slices" / f"{contrast}_{z}.nii.gz", values[..., z : z + 1])
            for contrast, values in (("t1", first), ("other", second))
        )
        if z % 5 == 0:
            held_out.append({"SubjectID": f"z{z}", "Channel_0": two, "Source_0": one})
        elif z % 2:
            rows.append({"SubjectID": f"z{z}", "Channel_0": "", "Source_0": one})
        else:
            rows.append({"SubjectID": f"z{z}", "Channel_0": two, "Source_0": ""})
    model = {"model_name": "cyclegan", "conditioning": ["image"], "save_eval_images_every_n_epochs": -1}
    augmentation = {"flip": {"axis": 0}, "affine": {"degrees": 5, "probability": 0.2}}
    config = {"model_config": {**model, **UNPAIRED[name]}, "data_augmentation": augmentation}
    training = train(folder, config, rows, minutes)
    truth = write_rows(folder / "truth.csv", [{**row, "Source_0": ""} for row in held_out])
    images = generate(training, held_out, folder / "made")
    keep_sheet(images, folder / "unpaired.png")
    sources = [{"SubjectID": row["SubjectID"], "Channel_0": row["Source_0"]} for row in held_out]
    return training.cost | {
        "model": compare(truth, images, folder / "report", *_RANGE),
        "source itself": compare(truth, write_rows(folder / "sources.csv", sources), folder / "identity", *_RANGE),
    }
