"""What happens around every step: random numbers are seeded, weights averaged."""

from collections import defaultdict
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging

from gandlf_synth.data.loading.dataset import Batch
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


_Pair = tuple[torch.Tensor, torch.Tensor]
_Buffers = dict[str, Any]


class ExponentialMovingAverage(WeightAveraging):
    """Averages the weights over the last ``1 / (1 - decay)`` steps, fewer in the beginning.

    At step n the decay is ``min(decay, (1 + n) / (10 + n))``, so that a short run is not held by its first weights.
    Checkpoints hold the average in ``state_dict``, and the weights being trained beside it.

    Args:
        decay: of the average, once it is warm.
        begins_trained: whether the first weights count too, because another training made them.
    """

    _latest_update_step: int

    def __init__(self, decay: float, *, begins_trained: bool = False) -> None:
        super().__init__()
        self._decay, self._begins_trained = decay, begins_trained
        self._weights: list[_Pair] = []
        self._buffers: list[tuple[_Buffers, _Buffers]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the weights of both models once: to look for them in every step takes longer than to average them."""
        averaged = self.averaged_module()
        self._weights = list(zip(averaged.parameters(), pl_module.parameters(), strict=True))
        holders = zip(averaged.modules(), pl_module.modules(), strict=True)
        self._buffers = [(ours._buffers, theirs._buffers) for ours, theirs in holders if theirs._buffers]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take the weights in after every step of an optimizer."""
        if trainer.global_step > self._latest_update_step and self._average_model is not None:
            # Torch's own update reads its counter, which lies on the GPU, and so waits for the GPU.
            self._take_in()
            self._average_model.n_averaged += 1
            self._latest_update_step = trainer.global_step

    @torch.no_grad()
    def _take_in(self) -> None:
        buffers = [
            (ours[name], value) for ours, theirs in self._buffers for name, value in theirs.items() if value is not None
        ]
        by_type: dict[torch.dtype, list[_Pair]] = defaultdict(list)
        for averaged, current in (*self._weights, *buffers):
            by_type[averaged.dtype].append((averaged, current))
        for dtype, tensors in by_type.items():
            own, new = (list(side) for side in zip(*tensors, strict=True))
            if (self._latest_update_step or self._begins_trained) and dtype.is_floating_point:
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
