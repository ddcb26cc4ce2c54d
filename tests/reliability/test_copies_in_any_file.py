"""Copies are found in whatever file they lie: format, bit depth, orientation, and however the training images are given."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.factories import clouds, heads, verdict_of, write_nifti, write_picture

from gandlf_synth.api.training import prepare
from gandlf_synth.evaluation.request import EvaluationRequest
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.run import run_evaluation
from gandlf_synth.progress import no_progress
from gandlf_synth.training.store_preparation import PreparationRequest

COUNT = 24
COPIED = 3
Array = np.ndarray
Write = Callable[[Path, Array], object]


def as_jpeg(path: Path, image: Array) -> None:
    Image.fromarray(image).save(path.with_suffix(".jpg"), quality=95)


def as_tiff(path: Path, image: Array) -> None:
    Image.fromarray(image.astype(np.uint16) * 257).save(path.with_suffix(".tif"))


WRITERS: dict[str, Write] = {
    "JPEG": as_jpeg,
    "TIFF of 16 bits": as_tiff,
    "NIfTI from 0 to 1": lambda path, image: write_nifti(path.with_suffix(".nii.gz"), image.astype(np.float32) / 255),
    "NumPy, transposed": lambda path, image: np.save(path.with_suffix(".npy"), np.ascontiguousarray(image.T)),
    "PNG, turned": lambda path, image: write_picture(path.with_suffix(".png"), np.rot90(image).copy()),
}


def write_all(folder: Path, write: Write, content: Array) -> Path:
    folder.mkdir()
    for place, image in enumerate(content):
        write(folder / str(place), image)
    return folder


def evaluate(real: Path, synthetic: Path, train: Path, out: Path) -> Evaluation:
    request = EvaluationRequest(real, synthetic, out, train=train, extractor="random-conv")
    return run_evaluation(request, no_progress)


def as_csv(folder: Path) -> Path:
    table = folder.with_suffix(".csv")
    rows = [f"{path},{path.stem}" for path in sorted(folder.iterdir())]
    table.write_text("\n".join(["Channel_0,SubjectID", *rows]) + "\n")
    return table


def as_store(folder: Path) -> Path:
    config = folder.with_suffix(".yaml")
    config.write_text("modality: rad\nmodel_config:\n  model_name: ddpm\n  labeling_paradigm: unlabeled\n")
    prepare(PreparationRequest(config, as_csv(folder), folder.with_suffix(".store")))
    return folder.with_suffix(".store")


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_copies_are_found_in_every_format(name: str, tmp_path: Path) -> None:
    train, synthetic = heads(COUNT, 1), heads(COUNT, 2)
    synthetic[:COPIED] = train[:COPIED]
    folders = [
        write_all(tmp_path / part, lambda path, image: write_picture(path.with_suffix(".png"), image), content)
        for part, content in (("real", heads(COUNT, 3)), ("train", train))
    ]

    found = evaluate(folders[0], write_all(tmp_path / "made", WRITERS[name], synthetic), folders[1], tmp_path / "out")

    answer = verdict_of(found, "private")
    assert answer.outcome in ("look", "bad")
    flagged = {Path(pair.synthetic).name.split(".")[0] for pair in found.copies if pair.flagged and not pair.held_out}
    assert flagged >= {str(place) for place in range(COPIED)}, answer.sentence


@pytest.mark.slow
@pytest.mark.parametrize("given", [lambda folder: folder, as_csv, as_store], ids=["folder", "csv", "store"])
def test_copies_of_volumes_that_lost_their_orientation_are_found(given: Callable[[Path], Path], tmp_path: Path) -> None:
    lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    made = (clouds((16, 16, 16), 3 * COUNT)[:, 0] * 1000).astype(np.int16).reshape(3, COUNT, 16, 16, 16)
    real, train, synthetic = made
    synthetic[:COPIED] = train[:COPIED]

    def with_place(path: Path, image: Array) -> None:
        write_nifti(path.with_suffix(".nii.gz"), image, lps)

    def without(path: Path, image: Array) -> None:
        write_nifti(path.with_suffix(".nii.gz"), np.ascontiguousarray(image.transpose(2, 1, 0)))

    folders = [write_all(tmp_path / name, with_place, part) for name, part in (("real", real), ("train", train))]
    lost = write_all(tmp_path / "made", without, synthetic)

    answer = verdict_of(evaluate(folders[0], lost, given(folders[1]), tmp_path / "out"), "private")

    assert answer.outcome == "bad"
    assert f"{COPIED} of {COUNT} synthetic images are the same as a training image to the pixel" in answer.sentence
