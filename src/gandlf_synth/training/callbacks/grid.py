"""Sample grids during training: the same seeds every time, so that progress can be seen."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from gandlf_synth.config import ModelConfig, SamplingOptions
from gandlf_synth.data.loading.condition import class_condition
from gandlf_synth.data.loading.datamodule import SynthesisDataModule
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.painting import painted_parts
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.display import SheetRow, contact_sheet, save_png, views
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.sampling import batched, sample_batches
from gandlf_synth.networks.sharding import is_sharded
from gandlf_synth.provenance import Purpose, fold_seed
from gandlf_synth.training.callbacks.averaging import averaged_weights

_BESIDE = "what it is made from, synthetic, real"
_SHARE = 0.1
"""Of the time of training, what grids may take where the clock ends it."""
_WITHIN = 0.1
"""Of the time of the last grid, what each one before it may take."""
_LATER = 0.01
"""Of the run, how long a grid waits that would take too much of the time."""


class SampleGrid(Callback):
    """Writes ``eval_images/epoch_NNNN.png``: one row per class; 3D as three orthogonal slices.

    A grid within an epoch is ``epoch_NNNN_step_NNNNNN.png``, by the epochs and steps before it.

    Args:
        folder: where grids are written.
        config: how many images, how often, from which seed.
    """

    def __init__(self, folder: Path, config: ModelConfig) -> None:
        self._folder = folder
        self._every = config.save_eval_images_every_n_epochs
        self._count = self._count_within = config.n_fixed_images_to_generate
        self._batch = config.fixed_images_batch_size
        self._seed = config.fixed_latent_vector_seed
        self._shown_step: int | None = None
        self._limited = False
        self._started = self._spent = self._per_image = 0.0
        self._next = _next_tenth(0.0)
        """The share of the run after which the next grid is due, where they come by tenths."""

    @property
    def seconds(self) -> float:
        """What the last grid will take, as far as is known."""
        return self._count * self._per_image

    def expect(self, seconds_per_image: float, limit: float) -> None:
        """Draw as many images as fit into ``limit`` seconds; a tenth of it for each grid during training.

        Args:
            seconds_per_image: of sampling.
            limit: of the last grid.
        """
        self._limited, self._started = True, time.monotonic()
        self._per_image = seconds_per_image
        self._count = max(1, min(self._count, int(limit / seconds_per_image)))
        self._count_within = max(1, min(self._count, int(_WITHIN * limit / seconds_per_image)))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave out the grids of earlier sessions."""
        if isinstance(pl_module, GenerativeModule):
            self._next = _next_tenth(pl_module.run_progress)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: Batch, batch_idx: int
    ) -> None:
        """Write a grid when another tenth of the run is over."""
        if self._every != "tenth" or not isinstance(pl_module, GenerativeModule) or trainer.should_stop:
            return
        progress = pl_module.run_progress
        if not self._next <= progress < 1:
            return
        if trainer.strategy.broadcast(self._too_often()):
            self._next = progress + _LATER
            return
        self._next = _next_tenth(progress)
        self._show(trainer, pl_module, _name(trainer), self._count_within)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write a grid when this epoch is due."""
        if self._every == "tenth":
            return
        epoch = trainer.current_epoch + 1
        due = epoch % int(self._every) == 0 and not self._too_often() and not trainer.should_stop
        if trainer.strategy.broadcast(due):
            self._show(trainer, pl_module, f"epoch_{epoch:04d}", self._count_within)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write a grid of the final model, however training ended."""
        if trainer.global_step != self._shown_step:
            self._show(trainer, pl_module, f"epoch_{trainer.current_epoch:04d}", self._count)

    def _too_often(self) -> bool:
        """Say whether grids would take more than their share of a training that the clock ends."""
        allowed = _SHARE * (time.monotonic() - self._started)
        return self._limited and self._spent + self._count_within * self._per_image > allowed

    def _show(self, trainer: Trainer, pl_module: LightningModule, name: str, count: int) -> None:
        self._shown_step, started = trainer.global_step, time.monotonic()
        self._draw(trainer, pl_module, name, count)
        seconds = time.monotonic() - started
        self._per_image = seconds / count
        self._spent += seconds

    def _draw(self, trainer: Trainer, pl_module: LightningModule, name: str, count: int) -> None:
        if not isinstance(pl_module, GenerativeModule):
            return
        if is_sharded(pl_module):  # all have to take part, in the same images
            count = trainer.strategy.broadcast(count)
        elif not trainer.is_global_zero:
            return
        shown = _shown_batch(trainer, count) if pl_module.spec.conditions else None
        with averaged_weights(trainer, pl_module):
            path = self._folder / f"{name}.png"
            self.draw(pl_module, path if trainer.is_global_zero else None, shown, count)

    def draw(
        self, module: GenerativeModule, path: Path | None, shown: Batch | None = None, count: int | None = None
    ) -> None:
        """Write the grid of ``module`` to ``path``.

        Args:
            module: the model.
            path: the picture; None: only sample, beside a process that writes.
            shown: samples whose images are made from others, which stand beside them.
            count: of images; None: as many as the last grid has.
        """
        count = count or self._count
        was_training = module.training
        module.eval()
        spec = module.spec
        seeds = [fold_seed(self._seed, Purpose.GRID_IMAGE, index) for index in range(count)]
        classes = [index % spec.num_classes for index in range(count)] if spec.num_classes else None
        condition = class_condition(classes)
        if shown is not None:
            seeds, condition = seeds[: len(shown["image"])], shown["condition"]
        batches = batched(seeds, condition, self._batch)
        images = [image for batch in sample_batches(module, batches, SamplingOptions()) for image in batch.numpy()]
        module.train(was_training)
        if path is None:
            return
        if shown is not None:
            save_png(contact_sheet(_beside(shown, images, spec), title=_BESIDE), path)
            return
        rows: dict[str, list[Any]] = {}
        for index, image in enumerate(images):
            name = spec.class_names[classes[index]] if classes else ""
            rows.setdefault(name, []).extend(views(image, spec.geometry))
        save_png(contact_sheet([SheetRow(name, tiles) for name, tiles in sorted(rows.items())]), path)


def _next_tenth(progress: float) -> float:
    """Return the end of the tenth of the run that ``progress`` lies in."""
    return (int(10 * progress + 1e-9) + 1) / 10


def _name(trainer: Trainer) -> str:
    """Return what a grid after the present batch is called."""
    if trainer.is_last_batch:
        return f"epoch_{trainer.current_epoch + 1:04d}"
    return f"epoch_{trainer.current_epoch:04d}_step_{trainer.global_step:06d}"


def _shown_batch(trainer: Trainer, count: int) -> Batch:
    """Return the first samples of validation, or of training without one."""
    data: SynthesisDataModule = trainer.datamodule
    dataset = data.dataset("val" if data.has("val") else "train", augmented=False)
    return dataset.__getitems__(range(min(count, len(dataset))))


def _beside(shown: Batch, images: Sequence[Any], spec: DataSpec) -> list[SheetRow]:
    """Return a row per sample: what its image is made from, what the model makes, and the real one."""
    rows = []
    for image, real, index in zip(images, shown["image"].numpy(), range(len(images)), strict=True):
        given = [
            picture[None]
            for part, conditioner in painted_parts(spec.parts)
            if part.kind == "channels"
            for picture in conditioner.pictures(shown["condition"][part.name][index, :-1].numpy(), part.facts)
        ]
        rows.append(SheetRow("", [view for tile in (*given, image, real) for view in views(tile, spec.geometry)]))
    return rows
