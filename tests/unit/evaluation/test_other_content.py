"""Images that show something else than the real ones: what is said of them is that, and no flaw that they have not."""

from pathlib import Path

import numpy as np
import pytest
from tests.factories import clouds, heads, write_picture

from gandlf_synth.errors import DataError
from gandlf_synth.evaluation.request import EvaluationRequest
from gandlf_synth.evaluation.results import Evaluation
from gandlf_synth.evaluation.run import run_evaluation
from gandlf_synth.metrics.kernel import KernelDistance
from gandlf_synth.progress import no_progress

Array = np.ndarray
COUNT = 24
CLOUDS = (clouds((64, 64), COUNT)[:, 0] * 255).astype(np.uint8)
COLORED = np.clip(heads(2 * COUNT, 1)[..., None].astype(float) * np.array([1, 0.6, 0.3]), 0, 255).astype(np.uint8)


def evaluate(folder: Path, real: Array, synthetic: Array) -> Evaluation:
    for name, images in (("real", real), ("synthetic", synthetic)):
        (folder / name).mkdir()
        for place, image in enumerate(images):
            write_picture(folder / name / f"{place}.png", image)
    request = EvaluationRequest(folder / "real", folder / "synthetic", folder / "out", extractor="random-conv")
    return run_evaluation(request, no_progress, [KernelDistance()])


@pytest.mark.parametrize(
    ("real", "synthetic", "said"),
    [
        (heads(COUNT, 1), CLOUDS, "24 of 24 images are unlike every real one: they show something else"),
        (heads(COUNT, 1), np.full((COUNT, 64, 64), 90, np.uint8), "24 of 24 images are empty"),
        (COLORED[:COUNT], heads(COUNT, 2), "images are gray where real ones have colors"),
        (heads(COUNT, 2), COLORED[:COUNT], "images have colors where real ones are gray"),
        (COLORED[:COUNT], COLORED[COUNT:], ""),
    ],
    ids=["another organ", "empty", "gray", "colored", "nothing wrong"],
)
def test_the_first_cause_is_what_is_shown(real: Array, synthetic: Array, said: str, tmp_path: Path) -> None:
    sentences = [cause.sentence for cause in evaluate(tmp_path, real, synthetic).causes if cause.question == "faithful"]

    assert len(sentences) == bool(said)
    assert all(sentence.startswith(said) for sentence in sentences)


def test_real_images_of_one_value_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds 24 real images of one value each; allowed: images that show something"):
        evaluate(tmp_path, np.full((COUNT, 64, 64), 90, np.uint8), heads(COUNT, 1))
