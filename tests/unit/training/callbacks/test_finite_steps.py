"""Steps along gradients that are not finite are left out, by the optimizer itself where it can."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from tests.runs import train

from gandlf_synth import optim
from gandlf_synth.errors import TrainingError


class _Spoiled(Callback):
    """Spoils the gradients of one network in some batches, and keeps the weights before and after each step."""

    def __init__(self, batches: set[int], network: int = 0) -> None:
        self.batches, self.network = batches, network
        self.step = 0
        self.changed: list[bool] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.weights = trainer.optimizers[self.network].param_groups[0]["params"]
        self.weights[0].register_hook(lambda gradient: gradient * (float("nan") if self.step in self.batches else 1))

    def on_train_batch_start(self, *_: Any) -> None:
        self.before = [each.detach().clone() for each in self.weights]

    def on_train_batch_end(self, *_: Any) -> None:
        pairs = zip(self.before, self.weights, strict=True)
        self.changed.append(any(not torch.equal(old, new) for old, new in pairs))
        self.step += 1


@pytest.fixture(params=["fused", "not fused"])
def _kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fused optimizers as on a GPU, on the CPU."""

    def fuse(optimizer: Any) -> None:
        for group in optimizer.param_groups:
            group["fused"] = True

    if request.param == "fused":
        monkeypatch.setattr(optim, "_fuse", fuse)


@pytest.mark.usefixtures("_kernel")
@pytest.mark.parametrize("family", ["ddpm", "dcgan"])
def test_a_step_along_gradients_that_are_not_finite_is_left_out_and_written_down(family: str, tmp_path: Path) -> None:
    spoiled = _Spoiled({1, 5})

    run = train(family, tmp_path, samples=12, callbacks=[spoiled])

    assert spoiled.changed == [True, False, True, True, True, False]
    written = [json.loads(path.read_text()) for path in run.folder.root.glob("nonfinite_step_*.json")]
    assert sorted((each["epoch"], each["batch"]) for each in written) == [(0, 1), (1, 2)]
    for each in written:
        assert len(each["samples"]) == 4
        assert "nan" in each["gradient_norms"].values()
    assert torch.isfinite(torch.tensor(list(run.result.metrics.values()))).all()


@pytest.mark.usefixtures("_kernel")
@pytest.mark.parametrize("network", [0, 1])
def test_ten_in_a_row_of_one_network_end_the_training_though_the_other_learns(network: int, tmp_path: Path) -> None:
    spoiled = _Spoiled(set(range(100)), network)

    with pytest.raises(TrainingError, match="10 steps in a row are not finite"):
        train("dcgan", tmp_path, samples=8, epochs=8, callbacks=[spoiled])

    assert not any(spoiled.changed)
    assert spoiled.step in {9, 10}  # batches that ended: the news comes a step later from a fused optimizer
