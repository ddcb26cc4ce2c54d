"""Models of several networks, each of which has an optimizer of its own."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities.types import LRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.models.base import C, GenerativeModule
from gandlf_synth.networks.sharding import reshard
from gandlf_synth.optim import SchedulerEntry, build_optimizer, build_scheduler


class MultiOptimizerModule(GenerativeModule[C]):
    """Networks that take turns: a generator and its discriminator, an autoencoder and its prior.

    The names in ``config.networks`` are those of the optimizers, losses and schedulers in the YAML. In
    ``training_step``, each network takes its turn like this; accumulation, clipping and schedulers follow the
    configuration::

        with self.freeze_others("generator"):
            loss = self.update("generator", self._generator_loss(batch), batch_idx)
    """

    def __init__(self, config: C, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.automatic_optimization = False

    @abstractmethod
    def network(self, name: str) -> nn.Module:
        """Return the part of the model that the optimizer ``name`` of ``config.networks`` trains."""

    def networks_by_optimizer(self) -> dict[str, nn.Module]:
        """Return the networks by their names."""
        return {name: self.network(name) for name in self.config.networks}

    def check_components(self) -> None:
        """Build every optimizer and scheduler once; see ``GenerativeModule.check_components``."""
        for name, optimizer in self._optimizers().items():
            self._scheduler_of(name, optimizer, 1, 1)

    def configure_optimizers(self) -> tuple[list[Optimizer], list[SchedulerEntry]]:
        """Return one optimizer per network, in the order of ``config.networks``, and their schedulers."""
        steps, epochs, optimizers = self.steps_per_epoch, self.trainer.max_epochs or 1, self._optimizers()
        schedulers = (self._scheduler_of(name, optimizer, steps, epochs) for name, optimizer in optimizers.items())
        return list(optimizers.values()), [scheduler for scheduler in schedulers if scheduler]

    @property
    def steps_per_epoch(self) -> int:
        """The steps that an optimizer takes in an epoch, at least one."""
        return max(1, super().steps_per_epoch // self.config.accumulate_grad_batches)

    @contextmanager
    def freeze_others(self, name: str) -> Iterator[None]:
        """Freeze every network but ``name``, so that the gradients of a loss reach that one only."""
        reshard(self)  # weights that were brought together would keep what is said of their parts
        trained = {id(parameter) for parameter in self.network(name).parameters()}
        frozen = [weights for weights in self.parameters() if weights.requires_grad and id(weights) not in trained]
        for weights in frozen:
            weights.requires_grad_(False)
        try:
            yield
        finally:
            reshard(self)
            for weights in frozen:
                weights.requires_grad_(True)

    def update(self, name: str, loss: Tensor, batch_idx: int) -> Tensor:
        """Take a step of one network down its loss; call it inside ``freeze_others``.

        Args:
            name: the network.
            loss: a scalar.
            batch_idx: the number of the batch in the epoch, for gradient accumulation.

        Returns:
            The loss without its graph.
        """
        optimizer = self._lightning_optimizer(name)
        every = self.config.accumulate_grad_batches
        self.manual_backward(loss / every)
        if (batch_idx + 1) % every and not self.trainer.is_last_batch:
            return loss.detach()
        optimizer.step()
        optimizer.zero_grad()
        for entry in self._schedulers_of(optimizer.optimizer, "step"):
            entry.scheduler.step()  # type: ignore[call-arg, unused-ignore]
        return loss.detach()

    def step_by_gradients(self, loss: Tensor, batch_idx: int) -> Tensor:
        """Take a step of the first network along gradients that ``backward`` puts in place."""
        return self.update(self.config.networks[0], loss, batch_idx)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip the gradients; here, and not earlier, since fp16's gradients are scaled until now."""
        self.clip(optimizer, self.config.gradient_clip_val, self.config.gradient_clip_algorithm)

    def on_train_epoch_end(self) -> None:
        """Step the schedulers that count epochs, of networks that learned in this one."""
        begun, over = self.progress_before(0), self.progress_before(int(self.trainer.num_training_batches))
        for name, optimizer in zip(self.config.networks, self.trainer.optimizers, strict=False):
            start, end = self.learning_span(name)
            if over <= start or begun >= end:
                continue
            for entry in self._schedulers_of(optimizer, "epoch"):
                if not isinstance(entry.scheduler, ReduceLROnPlateau):
                    entry.scheduler.step()  # type: ignore[call-arg, unused-ignore]
                else:
                    self.step_watching(entry)

    def _optimizers(self) -> dict[str, Optimizer]:
        return {name: self._optimizer_of(name) for name in self.config.networks}

    def _optimizer_of(self, name: str) -> Optimizer:
        trained = [weights for weights in self.network(name).parameters() if weights.requires_grad]
        return build_optimizer(self._component("optimizers", name), trained, "model_config.optimizers")

    def _scheduler_of(self, name: str, optimizer: Optimizer, steps: int, epochs: int) -> SchedulerEntry | None:
        component = self.config.component("schedulers", name)
        if component is None:
            return None
        start, end = self.schedule_span(name)
        return build_scheduler(
            component, optimizer, steps, epochs * (end - start), "model_config.schedulers", monitor=f"train_{name}_loss"
        )

    def _lightning_optimizer(self, name: str) -> LightningOptimizer:
        optimizers = self.optimizers()
        listed = optimizers if isinstance(optimizers, list) else [optimizers]
        return listed[self.config.networks.index(name)]

    def _schedulers_of(self, optimizer: Optimizer, interval: str) -> list[LRSchedulerConfig]:
        entries = self.trainer.lr_scheduler_configs
        return [entry for entry in entries if entry.interval == interval and entry.scheduler.optimizer is optimizer]
