"""What an optimizer sees of the gradients, and how steps are counted, where networks take turns."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.plugins import MixedPrecision
from tests.runs import train
from torch.nn.utils import get_total_norm


class _Norms(Callback):
    """Notes the norm of the gradients that every optimizer steps along."""

    def __init__(self) -> None:
        self.norms: list[float] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        for optimizer in trainer.optimizers:
            optimizer.register_step_post_hook(self._note)

    def _note(self, optimizer: Any, *_: Any) -> None:
        gradients = [each.grad for group in optimizer.param_groups for each in group["params"] if each.grad is not None]
        self.norms.append(float(get_total_norm(gradients)))


@pytest.mark.parametrize("limit", [1e-2, 1e3])
def test_fp16_clips_the_gradients_themselves_and_not_the_scaled_ones(
    limit: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scaling(*, plugins: list[Any], precision: str, **options: Any) -> Trainer:
        fp16 = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))  # Lightning takes bf16 on a CPU
        return Trainer(plugins=[*plugins, fp16], **options)

    half, whole, section = _Norms(), _Norms(), {"gradient_clip_val": limit}
    train("dcgan", tmp_path / "whole", epochs=1, callbacks=[whole], section=section)
    monkeypatch.setattr("gandlf_synth.training.fit.Trainer", scaling)
    train("dcgan", tmp_path / "half", epochs=1, callbacks=[half], section=section)

    assert max(half.norms) <= limit * 1.001
    assert half.norms[:2] == pytest.approx(whole.norms[:2], rel=0.05)


@pytest.mark.parametrize(("accumulate", "steps"), [(1, 6), (2, 4)])
@pytest.mark.parametrize("family", ["dcgan", "vqvae", "autoencoder_kl", "ddpm"])
def test_a_step_counts_once_whatever_number_of_networks_takes_part(
    family: str, accumulate: int, steps: int, tmp_path: Path
) -> None:
    section = {"accumulate_grad_batches": accumulate} | ({"prior_fraction": 0.5} if family == "vqvae" else {})

    run = train(family, tmp_path, samples=12, epochs=2, section=section)

    assert run.result.steps == steps
    assert torch.isfinite(torch.tensor(list(run.result.metrics.values()))).all()
