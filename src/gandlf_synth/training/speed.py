"""What a training step costs on this machine: a few real steps on made-up images."""

import time
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from gandlf_synth.config import Config, ModelConfig, SamplingOptions, resolved
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.loading.condition import class_condition
from gandlf_synth.data.loading.conditioners import images_read
from gandlf_synth.data.loading.datamodule import Split, SynthesisDataModule
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.prepared import write_samples
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.value_range import ValueRange
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.geometry import Geometry
from gandlf_synth.launcher import peak_device_memory_mb
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.build import build_module
from gandlf_synth.models.sampling import sample_batches
from gandlf_synth.training.callbacks import ExponentialMovingAverage, PowerAverages, StepSeeds, cuda_graphs
from gandlf_synth.training.cost import Cost, StageCost, StretchCost, seconds_of_step
from gandlf_synth.training.data import conditions_of, loader_workers
from gandlf_synth.training.fit import quiet_lightning, trainer_options
from gandlf_synth.training.memory import memory_guard

_FEWEST_STEPS, _MOST_STEPS = 5, 16
_ENOUGH_STEPS, _SECONDS = 4, 1.5
"""The first steps of one part of a training, and the seconds after them, that are enough to tell what a step takes."""
_MOST_SECONDS = 8.0
"""After which no further step is begun, where a single one takes seconds."""
_TOGETHER = 4
"""Images that are sampled."""
_MOST_BYTES = 2**28
"""Of made-up images."""


def measure_cost(config: Config, facts: Fingerprint, train: Manifest) -> Cost:
    """Return what steps and samples of the model of ``config`` cost, measured in a few seconds; nothing is left behind.

    Args:
        config: the resolved configuration.
        facts: of the images.
        train: the training split.

    Raises:
        ResourceError: memory runs out.
        ConfigError: optimizer or scheduler refuse their parameters.
    """
    spec = _describe(config, facts, train)
    first = config.model.prerequisite()
    stages = []
    if first is not None and first.checkpoint is None:
        own = config.model_copy(update={"model": first.model, "batch_size": first.batch_size or config.batch_size})
        stages.append(_stage_cost(own, spec, train, first.fraction))
    rest = 1.0 - sum(stage.share for stage in stages)
    return Cost((*stages, _stage_cost(config, spec, train, rest)))


def _stage_cost(config: Config, spec: DataSpec, train: Manifest, share: float) -> StageCost:
    quiet_lightning()
    torch.manual_seed(0)
    module = build_module(config.model, spec)
    module.check_components()
    stretches = config.model.stretches()
    per_stretch = 1 + min(_MOST_STEPS, max(_FEWEST_STEPS, config.model.work_cycle))
    clock = _StretchClock(config.model, per_stretch)
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    with TemporaryDirectory() as folder, memory_guard(config):
        data = _made_up(config, spec, train, Path(folder), per_stretch * len(stretches))
        trainer = Trainer(
            max_epochs=1,
            callbacks=[StepSeeds(config.seed), clock, *_averages(config.model), *cuda_graphs(config)],
            logger=False,
            enable_checkpointing=False,
            limit_val_batches=0,
            **(trainer_options(module, config) | {"strategy": "auto"}),
        )
        trainer.fit(module, datamodule=data)
        seconds_per_image = _sampling_seconds(module)
    return StageCost(
        name=config.model.model_name,
        share=share,
        batch_size=resolved(config.batch_size) * config.model.accumulate_grad_batches,
        stretches=tuple(
            StretchCost(stretch.share, seconds * config.model.accumulate_grad_batches)
            for stretch, seconds in zip(stretches, clock.seconds(), strict=True)
        ),
        seconds_per_image=seconds_per_image,
        parameters=sum(weight.numel() for weight in module.parameters() if weight.requires_grad),
        memory_mb=peak_device_memory_mb(),
    )


def _averages(model: ModelConfig) -> list[Callback]:
    averages: list[Callback] = [ExponentialMovingAverage(model.ema_decay)] if model.ema_decay else []
    return [*averages, PowerAverages(model.ema_widths)] if model.ema_widths else averages


class _StretchClock(Callback):
    """Moves a module through the stretches of its training and times a few steps of each."""

    def __init__(self, model: ModelConfig, per_stretch: int) -> None:
        self._stretches, self._per_stretch = model.stretches(), per_stretch
        self._cycle = model.work_cycle
        self._measured: list[list[float]] = [[] for _ in self._stretches]
        self._place, self._started = 0, 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started = _now()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        if self._place < len(self._stretches):
            pl_module.elapsed_fraction = self._stretches[self._place].progress

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: Batch, batch_idx: int
    ) -> None:
        seconds = self._measured[self._place]
        now = _now()
        seconds.append(now - self._started)
        self._started = now
        enough = len(seconds) >= _ENOUGH_STEPS and sum(seconds[1:]) > _SECONDS
        slow = len(seconds) > 1 and sum(seconds) > _MOST_SECONDS
        if enough or slow or len(seconds) == self._per_stretch:
            self._place += 1
        trainer.should_stop = self._place == len(self._stretches)

    def seconds(self) -> list[float]:
        """Return the seconds of a step in each stretch."""
        return [seconds_of_step(measured, self._cycle) for measured in self._measured]


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.monotonic()


def _sampling_seconds(module: GenerativeModule) -> float:
    """Return the seconds that an image takes, of some that are sampled together."""
    seeds = range(min(_TOGETHER, module.config.fixed_images_batch_size))
    condition = class_condition([0] * len(seeds) if module.spec.num_classes else None)
    started = _now()
    list(sample_batches(module.eval(), [(tuple(seeds), condition)], SamplingOptions()))
    return (_now() - started) / len(seeds)


def _describe(config: Config, facts: Fingerprint, train: Manifest) -> DataSpec:
    """Return what a model needs to know of data that is not prepared yet: all but the values."""
    labels = train.labels if config.model.labeling_paradigm != "unlabeled" else {}
    shape, channels = tuple(resolved(config.model.tensor_shape)), facts.num_channels
    ones, zeros = (1.0,) * channels, (0.0,) * channels
    parts = conditions_of(config, facts, train)
    sources = facts.source_channels if "sources" in images_read(parts) else ()
    return DataSpec(
        spatial_dims=facts.spatial_dims,
        num_channels=channels,
        shape=shape,
        affine=tuple(tuple(row) for row in np.eye(4).tolist()),
        physical=facts.physical,
        modality=resolved(config.modality),
        paradigm=resolved(config.model.labeling_paradigm),
        labels=tuple(labels),
        class_names=tuple(labels.values()),
        low=zeros,
        high=ones,
        range_scale=ones,
        range_offset=zeros,
        dtype=facts.dtype,
        column_channels=facts.column_channels,
        column_names=facts.column_names,
        conditions=parts,
        source_channels=sources,
        source_names=facts.source_names if sources else (),
        source_scale=(1.0,) * sum(sources),
        source_offset=(0.0,) * sum(sources),
    )


def _made_up(config: Config, spec: DataSpec, train: Manifest, folder: Path, steps: int) -> SynthesisDataModule:
    """Return random images for so many steps, with the conditions of real ones."""
    channels = spec.num_channels + sum(spec.source_channels)
    voxels = np.random.default_rng(0).uniform(-1, 1, (channels, *spec.shape)).astype(np.float32)
    empty = np.zeros(spec.shape, np.int32)
    image = replace(Image.from_file_values(voxels, Geometry(spec.shape)), mask=empty, region=empty)
    batch_size = resolved(config.batch_size)
    most = max(batch_size * 3, _MOST_BYTES // voxels.nbytes // batch_size * batch_size)
    rows = tuple(islice(cycle(train.samples), min(most, batch_size * steps)))
    split = Split(Manifest(folder / "data.csv", rows, "each row"), write_samples([image] * len(rows), folder))
    unchanged = ValueRange.with_sources(spec)
    augmentation, options = config.data_augmentation.train or [], config.dataloader_config.of("train")
    return SynthesisDataModule(
        {"train": split}, unchanged, spec, augmentation, {"train": options}, batch_size, loader_workers(),
        config.seed,
    )  # fmt: skip
