"""Who takes part in a step: each subject by itself, with all of its images, and never by the seed."""

import numpy as np
import torch
from tests.factories import image_of

from gandlf_synth.data.loading.dataset import PreparedDataset
from gandlf_synth.data.loading.prepared import write_samples
from gandlf_synth.data.loading.value_range import ValueRange
from gandlf_synth.training.privacy.batches import SubjectBatches


def _batches(tmp_path: object, subjects: list[list[int]], rate: float, at_once: int = 8) -> SubjectBatches:
    count = sum(map(len, subjects))
    images = [image_of(np.full((1, 4, 4), number, np.float32)) for number in range(count)]
    dataset = PreparedDataset(write_samples(images, tmp_path), ValueRange(np.array([1.0]), np.array([0.0])))
    return SubjectBatches(dataset, subjects, rate, 5, at_once)


def test_every_subject_takes_part_with_the_same_probability_by_itself(tmp_path: object) -> None:
    batches = _batches(tmp_path, [[number] for number in range(20)], 0.15)

    drawn = torch.zeros(2000, 20)
    for step in range(len(drawn)):
        drawn[step, batches[step % 5]["index"]] = 1

    assert torch.allclose(drawn.mean(0), torch.full((20,), 0.15), atol=0.04)
    sizes = drawn.sum(1)
    assert abs(float(sizes.var()) - 20 * 0.15 * 0.85) < 0.4  # a binomial: nobody's place is taken by another
    assert (sizes == 0).any()


def test_all_images_of_a_subject_come_together_in_parts(tmp_path: object) -> None:
    batches = _batches(tmp_path, [[0, 3, 4], [1], [2, 5]], 1.0, at_once=2)

    batch = batches[0]

    assert [[part["index"].tolist() for part in parts] for parts in batch["subjects"]] == [
        [[0, 3], [4]],
        [[1]],
        [[2, 5]],
    ]
    assert batch["index"].tolist() == [0, 3, 4, 1, 2, 5]


def test_a_step_of_nobody_is_a_batch_too(tmp_path: object) -> None:
    batch = _batches(tmp_path, [[0], [1]], 1e-12)[3]

    assert batch["subjects"] == []
    assert batch["index"].tolist() == []
