"""The training images that may have been copied are the same however many are compared at once."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from gandlf_synth.metrics import candidates, registration
from gandlf_synth.metrics.memorization import CopySearch


def test_what_is_found_does_not_depend_on_how_many_are_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).random((40, 1, 32, 32), dtype=np.float32)
    images = gaussian_filter(noise, (0, 0, 1.5, 1.5), mode="wrap")
    copies = np.concatenate([images[30:35, ..., ::-1], np.roll(images[:5], 2, axis=3)])
    together = CopySearch(images).find(copies)

    monkeypatch.setattr(candidates, "_COLUMNS", 7)
    monkeypatch.setattr(registration, "_BLOCK", {"cpu": 1, "cuda": 1})
    alone = CopySearch(images).find(copies)

    assert together.index.tolist() == [30, 31, 32, 33, 34, 0, 1, 2, 3, 4]
    assert alone.index.tolist() == together.index.tolist()
    np.testing.assert_allclose(alone.looks, together.looks, atol=1e-4)


def test_pairs_that_are_left_out_stay_out_in_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "_COLUMNS", 7)
    images = torch.rand((20, 16, 16), generator=torch.Generator().manual_seed(0)) - 0.5
    known = candidates.describe(images, images)

    index, _ = candidates.find_candidates(images, images, known, torch.eye(20, dtype=torch.bool))

    assert not (index == torch.arange(20)[:, None]).any()
