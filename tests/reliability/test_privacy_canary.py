"""One odd patient among the training data is found by the loss of the model without a budget, and not with one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.factories import TINY, Cli, blob_picture, write_picture, write_table

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.models.checkpoint import load_module
from gandlf_synth.models.components.denoising import DenoisingModule

SUBJECTS, CANDIDATES, SIZE = 24, 60, 12
IMAGES_OF_CANARY = 8
"""Of the odd patient, all alike: the budget is for all images of a person together."""
TUNING = """\
model_config: {model_name: ddpm, ema_decay: 0, optimizers: {name: adam, lr: 3e-3}, save_eval_images_every_n_epochs: -1}
num_epochs: 80
batch_size: 8
compute: {accelerator: cpu, precision: 32}
"""


def _odd(seed: int) -> np.ndarray:
    """Return a picture like nobody's: blocks that are black or white by chance."""
    blocks = np.random.default_rng(1000 + seed).choice(np.array([0, 255], np.uint8), (SIZE // 2, SIZE // 2))
    return np.kron(blocks, np.ones((2, 2), np.uint8))


def _data(root: Path, name: str, first: int, canary: bool) -> Path:
    patients = [[blob_picture(SIZE, first + number)] for number in range(SUBJECTS - canary)]
    if canary:
        patients.append([_odd(0)] * IMAGES_OF_CANARY)
    rows = [
        (f"s{patient}", write_picture(root / name / f"{patient}_{number}.png", picture))
        for patient, pictures in enumerate(patients)
        for number, picture in enumerate(pictures)
    ]
    return write_table(root / f"{name}.csv", ("SubjectID", "Channel_0"), rows)


def _losses(model: Path) -> torch.Tensor:
    """Return the loss of every candidate, the canary first, at the same 64 draws of noise."""
    module = load_module(model / "checkpoints" / "last.ckpt")
    assert isinstance(module, DenoisingModule)
    pictures = [torch.from_numpy(_odd(seed).T.copy()).float()[None, None] / 127.5 - 1 for seed in range(CANDIDATES)]
    with torch.no_grad():
        return torch.stack(
            [module.process.fixed_loss(each.repeat(64, 1, 1, 1), Condition(), seed=7) for each in pictures]
        )


def _stands_out(before: torch.Tensor, after: torch.Tensor) -> float:
    """Return how much more the loss of the canary fell than that of images which nobody trained on, in their spread."""
    fallen = before - after
    others = fallen[1:]
    return float((fallen[0] - others.mean()) / others.std())


@pytest.mark.slow
def test_a_planted_patient_is_found_without_a_budget_and_not_with_it(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text(TINY.format(shape=[SIZE, SIZE]).replace("num_epochs: 2", "num_epochs: 60"))
    (tmp_path / "plain.yaml").write_text(TUNING)
    (tmp_path / "private.yaml").write_text(TUNING + "privacy: {epsilon: 4}\n")
    public, private = _data(tmp_path, "public", 500, canary=False), _data(tmp_path, "private", 0, canary=True)
    code, _, err = cli("train", "-c", tmp_path / "parent.yaml", "-dt", public, "-m-dir", tmp_path / "parent")
    assert code == 0, err
    for name in ("plain", "private"):
        words = ("-c", tmp_path / f"{name}.yaml", "-dt", private, "-m-dir", tmp_path / name)
        code, _, err = cli("train", *words, "--init-from", tmp_path / "parent")
        assert code == 0, err

    before, plain, hidden = (_losses(tmp_path / name) for name in ("parent", "plain", "private"))

    assert _stands_out(before, plain) > 5
    assert abs(_stands_out(before, hidden)) < 3.5
