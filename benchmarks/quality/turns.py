"""Training of GANs and autoencoders: Lightning on images that lie on the device."""

import logging
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from benchmarks.quality.budget import Budget
from benchmarks.quality.recipe import Precision, Recipe
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.training.callbacks import ExponentialMovingAverage
from gandlf_synth.training.rates import rate_share

_ENDLESS = 1_000_000_000


def train_turns(
    module: Any,
    recipe: Recipe,
    images: Tensor,
    labels: Tensor | None,
    budget: Budget,
    device: torch.device,
    precision: Precision = "32-true",
) -> tuple[int, dict[str, Any]]:
    """Train ``module`` as a run of one epoch, and leave its averaged weights in it; return the steps and facts."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    watch = _Watch(recipe, budget)
    callbacks: list[Callback] = [watch]
    if module.config.ema_decay > 0:
        callbacks.append(ExponentialMovingAverage(module.config.ema_decay))
    trainer = Trainer(
        max_epochs=1, limit_train_batches=budget.steps or _ENDLESS, callbacks=callbacks, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        accelerator="gpu" if device.type == "cuda" else "cpu", devices=1, precision=precision, **_clipping(module),
    )  # fmt: skip
    loader = DataLoader(_Batches(images.to(device), None if labels is None else labels.to(device), recipe.batch), None)
    trainer.fit(module, loader)
    module.to(device)
    values = {name: round(float(value), 4) for name, value in trainer.callback_metrics.items()}
    return watch.steps, {"logged": values, "late": budget.late, "cpu_seconds_of_steps": watch.spent, "pace": watch.pace}


def _clipping(module: Any) -> dict[str, Any]:
    return {"gradient_clip_val": module.config.gradient_clip_val} if module.automatic_optimization else {}


class _Batches(IterableDataset[Any]):
    def __init__(self, images: Tensor, labels: Tensor | None, batch: int) -> None:
        self._images, self._labels, self._batch = images, labels, batch

    def __iter__(self) -> Iterator[Any]:
        order = torch.empty(0, dtype=torch.long, device=self._images.device)
        while True:
            while len(order) < self._batch:
                order = torch.cat([order, torch.randperm(len(self._images), device=order.device)])
            places, order = order[: self._batch], order[self._batch :]
            condition = Condition({} if self._labels is None else {"class": self._labels[places]})
            yield {"image": self._images[places], "condition": condition, "index": places}


class _Watch(Callback):
    """Sets the rates by what is left of the budget, and stops when nothing is."""

    def __init__(self, recipe: Recipe, budget: Budget) -> None:
        self._recipe, self._budget = recipe, budget
        self.steps, self.spent = 0, 0.0
        self._begun = 0.0
        self._progress = [0.0]

    @property
    def pace(self) -> list[float]:
        """The share of the steps that was done when each twentieth of the training was over."""
        shares = np.interp(np.linspace(0, 1, 21), self._progress, np.linspace(0, 1, len(self._progress)))
        return [round(share, 4) for share in shares.tolist()]

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        self._budget.restart()

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._begun = time.process_time()
        progress = self._budget.progress(batch_idx)
        pl_module.elapsed_fraction = progress
        networks = pl_module.config.networks
        for number, optimizer in enumerate(trainer.optimizers):
            span = pl_module.learning_span(networks[min(number, len(networks) - 1)])
            share = rate_share(progress, span, self._recipe.warmup, self._recipe.cooldown)
            for group in optimizer.param_groups:
                group["lr"] = optimizer.defaults["lr"] * share

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.steps = batch_idx + 1
        self._progress.append(self._budget.progress(self.steps))
        if batch_idx >= 2:
            self.spent += time.process_time() - self._begun
        if self._budget.late or self._budget.progress(self.steps) >= 1:
            trainer.should_stop = True
