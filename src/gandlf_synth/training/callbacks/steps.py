"""What happens around every step: random numbers are seeded, gradients judged, weights averaged."""

from collections import defaultdict
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.errors import Problem, TrainingError
from gandlf_synth.files import write_json
from gandlf_synth.provenance import Purpose, fold_seed


class StepSeeds(Callback):
    """Seeds torch before every training batch from (seed, process, epoch, batch).

    Models may then draw from torch's own generator, and nothing of its state has to be saved.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Seed the batch."""
        torch.manual_seed(fold_seed(self._seed, Purpose.STEP, trainer.global_rank, trainer.current_epoch, batch_idx))


_MOST_SKIPPED = 10


class FiniteSteps(Callback):
    """Leaves out steps whose gradients are not finite; after ten in a row, stops.

    fp16 is left alone: there the gradient scaler expects such steps and skips them itself.

    Args:
        folder: where ``nonfinite_step_N.json`` is written: epoch, batch, samples, and the norms per network part.
        last_good: the checkpoint that the message names.

    Raises:
        TrainingError: ten steps in a row were not finite.
    """

    def __init__(self, folder: Path, last_good: Path) -> None:
        self._folder = folder
        self._last_good = last_good
        self._skipped = 0
        self._batch: tuple[int, torch.Tensor] = (0, torch.empty(0))

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Remember which samples are in hand."""
        self._batch = (batch_idx, batch["index"])

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Drop the gradients when one of them is not finite."""
        gradients = [
            parameter.grad
            for group in optimizer.param_groups
            for parameter in group["params"]
            if parameter.grad is not None
        ]
        if trainer.precision == "16-mixed" or not gradients or self._finite(trainer, gradients):
            self._skipped = 0
            return
        self._skipped += 1
        record = self._write_down(trainer, pl_module)
        optimizer.zero_grad(set_to_none=True)
        if self._skipped >= _MOST_SKIPPED:
            raise TrainingError(
                Problem(
                    f"step {trainer.global_step}",
                    f"the gradients of {_MOST_SKIPPED} steps in a row are not finite; the last ones are in {record}",
                    fix=f"lower the learning rate, set gradient_clip_val, or use precision 32-true or bf16-mixed; "
                    f"the last good checkpoint is {self._last_good}",
                )
            )

    def _finite(self, trainer: Trainer, gradients: list[torch.Tensor]) -> bool:
        finite = bool(torch.isfinite(get_total_norm(gradients)))
        if trainer.world_size > 1 and hasattr(trainer.model, "clip_grad_norm_"):
            # Each process has its own part of the gradients, and all have to leave out the same steps.
            return bool(trainer.strategy.reduce_boolean_decision(finite))
        return finite

    def _write_down(self, trainer: Trainer, pl_module: LightningModule) -> Path:
        batch, samples = self._batch
        norms = {
            name: float(get_total_norm([weight.grad for weight in part.parameters() if weight.grad is not None]))
            for name, part in pl_module.named_children()
        }
        path = self._folder / f"nonfinite_step_{trainer.global_step}.json"
        content = {
            "epoch": trainer.current_epoch,
            "batch": batch,
            "samples": [int(sample) for sample in samples],
            "gradient_norms": {name: str(norm) for name, norm in norms.items()},
        }
        write_json(path, content)
        return path


class ExponentialMovingAverage(WeightAveraging):
    """Averages the weights over the last ``1 / (1 - decay)`` steps, fewer in the beginning.

    At step n the decay is ``min(decay, (1 + n) / (10 + n))``, so that a short run is not held by its first weights.
    Checkpoints hold the average in ``state_dict``, and the weights being trained beside it.
    """

    _latest_update_step: int

    def __init__(self, decay: float) -> None:
        super().__init__()
        self._decay = decay

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take the weights in after every step of an optimizer."""
        if trainer.global_step > self._latest_update_step and self._average_model is not None:
            # Torch's own update reads its counter, which lies on the GPU, and so waits for the GPU.
            self._take_in(pl_module)
            self._average_model.n_averaged += 1
            self._latest_update_step = trainer.global_step

    @torch.no_grad()
    def _take_in(self, module: LightningModule) -> None:
        pairs = zip(_values(self.averaged_module()), _values(module), strict=True)
        by_type: dict[torch.dtype, list[tuple[torch.Tensor, torch.Tensor]]] = defaultdict(list)
        for averaged, current in pairs:
            by_type[averaged.dtype].append((averaged.detach(), current.detach()))
        for dtype, tensors in by_type.items():
            own, new = (list(side) for side in zip(*tensors, strict=True))
            if self._latest_update_step and dtype.is_floating_point:
                self._average(own, new)
            else:
                torch._foreach_copy_(own, new)

    def _average(self, averaged: list[torch.Tensor], current: list[torch.Tensor]) -> None:
        steps = self._latest_update_step
        decay = min(self._decay, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(averaged, current, 1 - decay)

    def averaged_module(self) -> Any:
        """Return the module with the averaged weights, or None before training."""
        return None if self._average_model is None else self._average_model.module


def _values(module: Any) -> Any:
    return chain(module.parameters(), module.buffers())
