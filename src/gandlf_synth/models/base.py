"""What every generative model does: a Lightning module that trains from batches and samples from seeds."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import LRSchedulerConfig
from pydantic import JsonValue
from torch import Tensor, nn
from torch import _functorch as functorch
from torch.nn.utils import clip_grads_with_norm_
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from typing_extensions import TypeVar

from gandlf_synth.config import Component, ModelConfig, SamplingOptions
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.diffusion.projection import Known
from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.losses import build_loss
from gandlf_synth.models.health import Symptom
from gandlf_synth.networks.sharding import (
    TENSOR,
    clip_gradients,
    gradient_norm,
    is_sharded,
    local,
    shard_networks,
    whole_weights,
)
from gandlf_synth.networks.tensor_parallel import Split, splits
from gandlf_synth.optim import SchedulerEntry, build_optimizer, build_scheduler
from gandlf_synth.ranks import data_share

C = TypeVar("C", bound=ModelConfig, default=ModelConfig, covariant=True)  # noqa: PLC0105


@dataclass(frozen=True)
class ExportedNetwork:
    """A network that can be used without this program.

    Args:
        network: takes tensors, returns one tensor.
        inputs: an example of what it takes.
    """

    network: nn.Module
    inputs: tuple[Tensor, ...]


class GenerativeModule(LightningModule, ABC, Generic[C]):
    """A model with its configuration and the facts of the data it was made for, of any family where ``C`` is left out.

    A subclass builds its networks in ``__init__``, says what a training step is, and samples. Inputs and outputs are
    ``(batch, channels, *spec.shape)`` in [-1, 1]. Every random number of ``sample`` must come from the image's own
    seed, so that an image does not depend on the others of its batch.

    Args:
        config: the family's section of the configuration, resolved: nothing in it is ``auto``.
        spec: the data.
    """

    elapsed_fraction: float
    """The share of the time that the run may take, by the clock; 0 where only epochs limit it."""
    reached_fraction: float
    """The largest ``elapsed_fraction`` of the sessions before this one."""
    reached_progress: float
    """The largest ``training_progress`` of the sessions before this one."""
    resumed_at: float
    """The share of the run that was over when this session began."""
    samplers: Sequence[str] = ()
    """The solvers that ``SamplingOptions.sampler`` may name."""

    def __init__(self, config: C, spec: DataSpec) -> None:
        super().__init__()
        self.config = config
        self.spec = spec
        self.elapsed_fraction = 0.0
        self.gradient_norm: Tensor | None = None
        """Of the step in hand, where somebody has computed it."""
        self.reached_fraction = 0.0
        self.reached_progress = 0.0
        self.resumed_at = 0.0
        self.parent: Mapping[str, JsonValue] = {}
        """Of a model that started from another: which one, and under which terms."""
        self.privacy: Mapping[str, JsonValue] = {}
        """Of a model that was trained with a privacy budget: what was spent, and how."""
        self.ema_width: float | None = None
        """The width of the average that the weights are, where it is not the usual one."""
        self.whole_weights: frozenset[str] = frozenset()
        """The names of the weights that processes do not share, where they share the others."""

    @property
    def val_loss_comparable(self) -> bool:
        """Whether ``val_loss`` may choose the best checkpoint; a family with stages says no before the last one."""
        return True

    @property
    def run_progress(self) -> float:
        """The share of the run that is over, in [0, 1]: by steps, or by the clock where that limit is nearer."""
        epochs = self.trainer.max_epochs or 1
        begun = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        in_epoch = begun / max(1, self.trainer.num_training_batches)
        by_steps = float(self.trainer.current_epoch + min(1.0, in_epoch)) / epochs
        return min(1.0, max(by_steps, self.elapsed_fraction))

    @property
    def training_progress(self) -> float:
        """How far the training has come, in [0, 1]: the run's progress, and never less than it was in an earlier one.

        A run that goes on and is to last longer does not return to what is learned first.
        """
        return max(self.run_progress, self.reached_progress)

    def progress_before(self, batch_idx: int) -> float:
        """Return how far the training has come when a batch of the present epoch begins; see ``training_progress``.

        All processes get the same, so that networks may begin to learn by it.
        """
        return max(self.run_progress_before(batch_idx), self.reached_progress)

    def run_progress_before(self, batch_idx: int) -> float:
        """Return the share of the run that is over when a batch of the present epoch begins, in [0, 1]."""
        in_epoch = batch_idx / max(1, self.trainer.num_training_batches)
        by_steps = float(self.trainer.current_epoch + in_epoch) / (self.trainer.max_epochs or 1)
        return min(1.0, max(by_steps, self.elapsed_fraction))

    def mean_over_processes(self, value: Tensor) -> Tensor:
        """Return the mean of ``value`` over all processes of the training, the same in each."""
        if self.processes == 1:
            return value
        mean: Tensor = self.trainer.strategy.reduce(value.clone(), reduce_op="mean")
        return mean

    @property
    def processes(self) -> int:
        """The number of processes that train on images of their own; 1 outside a training."""
        return data_share(self._trainer)[1]

    def schedule_span(self, network: str) -> tuple[float, float]:
        """Return the part of the run that the schedule of a network fills, as shares of it.

        It is ``learning_span``, except in a run that goes on and is longer than it was: where the network's time had
        come, it begins where the run goes on.
        """
        start, end = self.learning_span(network)
        return (min(start, self.resumed_at), end) if self.reached_progress >= start else (start, end)

    def scheduled_steps(self, network: str) -> int:
        """Return at which step of its schedule a network is that goes on: the rest is what it is still to learn."""
        start, end = self.schedule_span(network)
        reached = max(self.resumed_at, self.reached_progress)
        left = 0.0 if reached >= end < 1 else end - max(start, self.resumed_at)
        steps = self.steps_per_epoch * (self.trainer.max_epochs or 1)
        return max(0, round(steps * (end - start)) - round(steps * left))

    def learning_span(self, network: str) -> tuple[float, float]:
        """Return when ``network`` begins and ceases to learn, as shares of the training; schedules fill that time."""
        return 0.0, 1.0

    @abstractmethod
    def sample(self, seeds: Sequence[int], condition: Condition, options: SamplingOptions) -> Tensor:
        """Return one image per seed, ``(len(seeds), channels, *shape)`` in [-1, 1].

        Args:
            seeds: what decides each image.
            condition: what each image is made from.
            options: how to sample.
        """

    def loss_of_subject(self, batch: Batch) -> Tensor:
        """Return the loss of images of one subject, by them alone; families that learn with a privacy budget have it.

        Its gradient is all that a training with a privacy budget takes from images: it changes nothing in the model.
        """
        raise NotImplementedError

    def symptoms(self) -> Sequence[Symptom] | None:
        """Return what is wrong with the training at present; None when nothing new can be said. Asked every epoch."""
        return None

    def reconstruct(self, images: Tensor, condition: Condition) -> Tensor:
        """Return the model's reconstruction of ``images (batch, channels, *shape)``; families that can override it."""
        raise NotImplementedError

    def inpaint(self, seeds: Sequence[int], condition: Condition, known: Known, options: SamplingOptions) -> Tensor:
        """Return one image per seed that keeps what is known; families that can override it.

        Args:
            seeds: what decides each image.
            condition: what each image is made from.
            known: the images ``(batch, channels, *shape)`` in [-1, 1], and where they are made anew.
            options: how to sample.
        """
        raise NotImplementedError

    def load_first_stage(self, trained: "GenerativeModule") -> None:
        """Take over the weights of the model that ``config.prerequisite`` named; families that have one override it."""
        raise NotImplementedError

    def export_networks(self) -> dict[str, ExportedNetwork]:
        """Return the networks that make sense on their own, by name, ready for inference; none unless overridden."""
        return {}

    def compile_networks(self) -> None:
        """Compile the networks in place; checkpoints stay those of the uncompiled model.

        Raises:
            ConfigError: the training needs what compiled networks do not have.
        """
        networks = self.networks_to_compile()
        if self.differentiates_twice:
            # Otherwise the first backward pass that frees its graph lets all that follow overwrite what they read.
            functorch.config.donated_buffer = False
        for network in networks:
            network.compile()

    @property
    def differentiates_twice(self) -> bool:
        """Whether training takes more than one gradient of a graph; compiled networks keep its buffers then."""
        return False

    def networks_to_compile(self) -> Sequence[nn.Module]:
        """Return what ``compute.compile`` compiles: the modules that training calls, ``module(…)``.

        A family overrides it whose training calls methods of its parts, or parts of them: compiling a module that is
        never called has no effect.

        Raises:
            ConfigError: the training needs what compiled networks do not have.
        """
        return list(self.children())

    def networks_to_shard(self) -> Sequence[nn.Module]:
        """Return the networks whose weights processes may share: what training and sampling call, ``module(…)``.

        The parts of the model unless overridden. A family overrides it whose training calls methods of its parts, or
        parts of them. What is in none of them stays whole in every process. See ``sharding_blocks`` for the rest.
        """
        return [part for child in self.children() for part in _called_parts(child)]

    def tensor_splits(self, count: int) -> list[Split]:
        """Return how layers of the networks are split into ``count`` parts; see ``networks.tensor_parallel``."""
        return [split for network in self.networks_to_shard() for split in splits(network, count)] if count > 1 else []

    @property
    def keeps_networks_whole(self) -> bool:
        """Whether a network that processes share stays together from its first use to the step, not block by block."""
        return not self.automatic_optimization

    def configure_model(self) -> None:
        """Share the weights out where the strategy has several processes do so; Lightning calls it in every stage."""
        mesh = self.device_mesh
        if mesh is not None and not is_sharded(self):
            for split in self.tensor_splits(mesh[TENSOR].size()):
                split(mesh[TENSOR])
            shard_networks(self.networks_to_shard(), mesh, keeps_whole=self.keeps_networks_whole)
            self.whole_weights = whole_weights(self)

    def networks_for_graphs(self) -> Sequence[nn.Module]:
        """Return the networks that a GPU may train as CUDA graphs; none unless overridden.

        Training calls them once a step, ``module(…)`` with tensors that need no gradient, for one tensor and its first
        derivatives, and neither waits for the GPU nor decides anything by values on it.
        """
        return []

    def sampling_defaults(self, options: SamplingOptions) -> Mapping[str, object]:
        """Return the options that ``sample`` would use, for the record."""
        return {}

    def inpainting_defaults(self, options: SamplingOptions) -> Mapping[str, object]:
        """Return the further options that ``inpaint`` would use, for the record."""
        return {}

    def check_sampling(self, options: SamplingOptions) -> None:
        """Raise a ``ConfigError`` when ``options`` asks for what the family does not have."""

    def check_components(self) -> None:
        """Build optimizer and scheduler once, so that values which only they can refuse are reported before training.

        Raises:
            ConfigError: a parameter that the optimizer or scheduler does not take.
        """
        self._scheduler(self._optimizer(), 1, 1)

    def networks_by_optimizer(self) -> dict[str, nn.Module]:
        """Return what each optimizer trains, by its name in ``config.networks``; what makes images comes first."""
        return {"model": self}

    def configure_optimizers(self) -> object:
        """Return the optimizer of all parameters and its scheduler, as configured or the family's own."""
        optimizer = self._optimizer()
        scheduler = self._scheduler(optimizer, self.steps_per_epoch, self.trainer.max_epochs or 1)
        return {"optimizer": optimizer, "lr_scheduler": scheduler} if scheduler else optimizer

    @property
    def steps_per_epoch(self) -> int:
        """The steps that an optimizer takes in an epoch, at least one."""
        return max(1, int(self.trainer.estimated_stepping_batches) // (self.trainer.max_epochs or 1))

    def lr_scheduler_step(self, scheduler: Any, metric: object) -> None:
        """Step a scheduler; one that watches a value is stepped in ``on_train_epoch_end``."""
        if not isinstance(scheduler, ReduceLROnPlateau):
            super().lr_scheduler_step(scheduler, metric)

    def on_train_epoch_end(self) -> None:
        """Step the schedulers that watch a value; here, because Lightning does it after it has saved the epoch."""
        for entry in self.trainer.lr_scheduler_configs:
            self.step_watching(entry)

    def step_watching(self, entry: LRSchedulerConfig) -> None:
        """Show a scheduler that watches a value the present one, if it was logged."""
        value = self.trainer.callback_metrics.get(entry.monitor or "")
        if isinstance(entry.scheduler, ReduceLROnPlateau) and value is not None:
            entry.scheduler.step(value)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradients."""
        self.clip(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def clip(self, optimizer: Optimizer, limit: float | None, algorithm: str | None) -> None:
        """Clip the gradients that ``optimizer`` steps along, by their norm unless ``algorithm`` is ``value``.

        Where the weights are shared, the norm is that of all processes' parts together.
        """
        norm, self.gradient_norm = self.gradient_norm, None
        if self.device_mesh is not None and is_sharded(self):  # without a mesh there is nothing to look for
            self._clip_shared(optimizer, limit, algorithm, norm)
        elif norm is None or not limit or algorithm == "value":
            self.clip_gradients(optimizer, limit, algorithm)
        else:
            weights = [each for group in optimizer.param_groups for each in group["params"]]
            clip_grads_with_norm_(weights, limit, norm)

    def _clip_shared(
        self, optimizer: Optimizer, limit: float | None, algorithm: str | None, norm: Tensor | None
    ) -> None:
        weights = (each for group in optimizer.param_groups for each in group["params"])
        gradients = [each.grad for each in weights if each.grad is not None]
        if limit and gradients and algorithm == "value":
            for gradient in gradients:
                local(gradient).clamp_(-limit, limit)
        elif limit and gradients:
            clip_gradients(gradients, limit, gradient_norm(gradients) if norm is None else norm)

    def build_loss(self, network: str = "model") -> nn.Module:
        """Return the loss of ``network``, one value per element, as configured or the family's own."""
        return build_loss(self._component("losses", network), "model_config.losses", reduction="none")

    def _component(self, section: Literal["losses", "optimizers"], network: str) -> Component:
        component = self.config.component(section, network)
        if component is None:
            where = f"model_config.{section}"
            raise ConfigError(
                Problem(where, f"names nothing for the network {network!r}", fix=f"add {network}: {{name: …}}")
            )
        return component

    def _optimizer(self) -> Optimizer:
        component = self._component("optimizers", "model")
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return build_optimizer(component, trained, "model_config.optimizers")

    def _scheduler(self, optimizer: Optimizer, steps_per_epoch: int, epochs: int) -> SchedulerEntry | None:
        component = self.config.component("schedulers", "model")
        if component is None:
            return None
        return build_scheduler(component, optimizer, steps_per_epoch, epochs, "model_config.schedulers")

    def log_loss(self, phase: str, loss: Tensor, batch: Batch) -> None:
        """Record ``loss`` as ``{phase}_loss``, averaged over the epoch and over processes."""
        size, checked = len(batch["image"]), phase != "train"
        self.log(f"{phase}_loss", loss, batch_size=size, on_step=False, on_epoch=True, sync_dist=checked)


def _called_parts(part: nn.Module) -> list[nn.Module]:
    """Return ``part`` if it learns; of lists and dictionaries of modules, which nobody calls, what is in them."""
    if isinstance(part, nn.ModuleList | nn.ModuleDict):
        return [called for child in part.children() for called in _called_parts(child)]
    return [part] if any(weights.requires_grad for weights in part.parameters()) else []


def noise_from(seeds: Sequence[int], shape: Sequence[int]) -> tuple[Tensor, list[torch.Generator]]:
    """Return standard normal noise ``(len(seeds), *shape)`` and the generators for what follows, all on the CPU.

    The CPU's generator gives the same numbers on every machine and beside every kind of GPU.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return torch.stack([torch.randn(*shape, generator=generator) for generator in generators]), generators
