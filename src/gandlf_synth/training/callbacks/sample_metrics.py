"""Unpaired metrics during training: how near samples are to validation images, on a small budget."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from gandlf_synth.config import Phase, SampleMetricsConfig
from gandlf_synth.data.loading.condition import Condition, join
from gandlf_synth.data.loading.datamodule import SynthesisDataModule
from gandlf_synth.metrics.extractors import Extractor
from gandlf_synth.metrics.intervals import Estimate, Floats
from gandlf_synth.metrics.scoring import features, score
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.sampling import batched, sample_batches
from gandlf_synth.provenance import Purpose, fold_seed
from gandlf_synth.ranks import data_share
from gandlf_synth.training.callbacks.averaging import averaged_weights

_READ = 16


@dataclass(frozen=True)
class _Real:
    features: Floats
    condition: Condition
    subjects: list[str]


class SampleMetrics(Callback):
    """Logs ``sample_kid``, ``sample_precision``, ``sample_recall``, ``sample_density`` and ``sample_coverage``.

    The same seeds give the images of every measurement, and their classes come in the proportions of the validation
    images. Epochs in which the model says that its values cannot be compared yet are left out.

    Args:
        config: how many images, how often, made how.
        extractor: turns planes into features.
        seed: decides the images on both sides.
        say: takes a line for each measurement.
    """

    def __init__(
        self, config: SampleMetricsConfig, extractor: Extractor, seed: int, say: Callable[[str], None]
    ) -> None:
        self._config, self._extractor, self._seed, self._say = config, extractor, seed, say
        self._real: _Real | None = None
        self._measured: int | None = None
        self.seconds = 0.0
        """What the last measurement took."""

    @classmethod
    def measured(cls, trainer: Trainer) -> bool:
        """Say whether there are new values in this epoch."""
        callbacks: list[Callback] = trainer.callbacks
        return any(isinstance(callback, cls) and callback._measured == trainer.current_epoch for callback in callbacks)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the extractor look at images where the model makes them, if that is a GPU of CUDA."""
        if pl_module.device.type == "cuda":
            self._extractor.to(pl_module.device)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure when this epoch is due or the last one, by count or by the clock."""
        epoch = trainer.current_epoch + 1
        last = epoch == trainer.max_epochs or trainer.should_stop
        due = epoch % self._config.every_n_epochs == 0 or last
        if not due or not isinstance(pl_module, GenerativeModule) or not pl_module.val_loss_comparable:
            return
        started = time.monotonic()
        if self._real is None:
            self._real = self._look_at_real(trainer, pl_module)
        real = self._real
        synthetic = self._features(trainer, pl_module, real)
        self._measured = trainer.current_epoch
        scores = score(real.features, synthetic, real.subjects, seed=self._seed)
        overlap = scores.overlap
        values = {
            "kid": scores.kid.value,
            "precision": overlap.precision,
            "recall": overlap.recall,
            "density": overlap.density,
            "coverage": overlap.coverage,
        }
        pl_module.log_dict({f"sample_{name}": value for name, value in values.items()}, batch_size=1)
        if trainer.is_global_zero:
            self._tell(epoch, scores.kid, values, len(synthetic))
        self.seconds = time.monotonic() - started

    def _tell(self, epoch: int, kid: Estimate, values: dict[str, float], count: int) -> None:
        shown = ", ".join(f"sample_{name} {value:.3f}" for name, value in values.items() if name != "kid")
        self._say(
            f"epoch {epoch}: sample_kid {kid.value:.4g} ({kid.low:.4g} to {kid.high:.4g}), {shown}; {count} images"
        )

    def _look_at_real(self, trainer: Trainer, module: GenerativeModule) -> _Real:
        data: SynthesisDataModule = trainer.datamodule
        held_out, condition, subjects = self._of(data, "val", 0)
        train, _, others = self._of(data, "train", 1)
        usual = score(held_out, train, subjects, others, seed=self._seed).kid
        if trainer.is_global_zero:
            extractor = self._extractor
            caution = f"; {extractor.caution}" if extractor.caution else ""
            self._say(
                f"sample metrics: {len(held_out)} validation images; {extractor.name} "
                f"(weights {extractor.weights_sha256[:12]}), {extractor.resize_rule}; training images have a KID of "
                f"{usual.value:.4g} ({usual.low:.4g} to {usual.high:.4g}) to them: as near as real images get{caution}"
            )
        return _Real(held_out, condition, subjects)

    def _of(self, data: SynthesisDataModule, phase: Phase, purpose: int) -> tuple[Floats, Condition, list[str]]:
        """Return the features of some images of a split, always the same ones, their condition and their subjects."""
        dataset = data.dataset(phase, augmented=False)
        rng = np.random.default_rng(fold_seed(self._seed, Purpose.MEASURED_SPLIT, purpose))
        chosen = rng.permutation(len(dataset))[: self._config.n_images].tolist()
        parts = [dataset.__getitems__(chosen[start : start + _READ]) for start in range(0, len(chosen), _READ)]
        condition = join([part["condition"] for part in parts])
        subjects = data.subjects(phase, dataset.rows(chosen))
        return features((part["image"] for part in parts), self._extractor), condition, subjects

    def _features(self, trainer: Trainer, pl_module: GenerativeModule, real: _Real) -> Floats:
        """Return the features of samples, made by all processes in equal parts."""
        rank, shares = data_share(trainer)
        count = -(-self._config.n_images // shares)
        places = torch.arange(rank * count, (rank + 1) * count)
        seeds = [fold_seed(self._seed, Purpose.IMAGE, place) for place in places.tolist()]
        batches = batched(seeds, real.condition.rows(places % len(real.features)), self._config.batch_size)
        was_training = pl_module.training
        pl_module.eval()
        with averaged_weights(trainer, pl_module):
            synthetic = features(sample_batches(pl_module, batches, self._config), self._extractor)
        pl_module.train(was_training)
        if trainer.world_size == 1:
            return synthetic
        gathered = pl_module.all_gather(torch.from_numpy(synthetic).to(pl_module.device))
        # Processes that split layers among them have the same images, and consecutive numbers.
        rows: Floats = gathered[:: trainer.world_size // shares].flatten(0, 1).cpu().numpy()
        return rows
