"""Paired metrics during training: how near reconstructions are to the images of validation and test."""

from collections.abc import Mapping

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.metrics.paired.base import PairedMetric
from gandlf_synth.models.base import GenerativeModule


class ReconstructionMetrics(Callback):
    """Logs ``val_<metric>`` and ``test_<metric>``, means over all images, each image once.

    Values are compared in [0, 1], as shares of the range that the preprocessing keeps; ``gandlf-synth reconstruct``
    measures on the grid and in the units of the data.

    Args:
        metrics: by the names under which they are registered.
    """

    def __init__(self, metrics: Mapping[str, PairedMetric]) -> None:
        self._metrics = metrics

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: Batch, *_: object
    ) -> None:
        """Measure a batch of validation images."""
        self._measure("val", pl_module, batch)

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: Batch, *_: object
    ) -> None:
        """Measure a batch of test images."""
        self._measure("test", pl_module, batch)

    def _measure(self, phase: str, pl_module: LightningModule, batch: Batch) -> None:
        if not isinstance(pl_module, GenerativeModule):
            return
        images = batch["image"]
        reconstructions = pl_module.reconstruct(images, batch["condition"])
        originals, others = ((array.float().cpu().numpy() + 1) / 2 for array in (images, reconstructions))
        for name, metric in self._metrics.items():
            values = [metric(original, other, None) for original, other in zip(originals, others, strict=True)]
            mean = torch.tensor(float(np.mean(values)), device=pl_module.device)
            pl_module.log(f"{phase}_{name}", mean, batch_size=len(values), on_step=False, on_epoch=True, sync_dist=True)
