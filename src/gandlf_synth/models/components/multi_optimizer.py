"""Models of several networks that train against each other, each with an optimizer of its own."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.models.base import C, GenerativeModule
from gandlf_synth.optim import build_optimizer, build_scheduler


class AdversarialModule(GenerativeModule[C]):
    """A generator and its adversary, or any networks that take turns.

    The names in ``config.networks`` are those of the optimizers, losses and schedulers in the YAML. ``training_step``
    calls ``update`` once per network and turn; accumulation, clipping and schedulers follow the configuration.
    """

    def __init__(self, config: C, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.automatic_optimization = False

    @abstractmethod
    def network(self, name: str) -> nn.Module:
        """Return the part of the model that the optimizer ``name`` of ``config.networks`` trains."""

    def check_components(self) -> None:
        """Build every optimizer and scheduler once; see ``GenerativeModule.check_components``."""
        for name, optimizer in self._optimizers().items():
            self._scheduler_of(name, optimizer, 1, 1)

    def configure_optimizers(self) -> Any:
        """Return one optimizer per network, in the order of ``config.networks``, and their schedulers."""
        epochs = self.trainer.max_epochs or 1
        steps = int(self.trainer.estimated_stepping_batches) // epochs // self.config.accumulate_grad_batches
        optimizers = self._optimizers()
        schedulers = (self._scheduler_of(name, optimizer, steps, epochs) for name, optimizer in optimizers.items())
        return list(optimizers.values()), [scheduler for scheduler in schedulers if scheduler]

    def update(self, name: str, loss: Callable[[], Tensor], batch_idx: int) -> Tensor:
        """Take a step of one network down the loss that ``loss`` computes; the other networks are frozen meanwhile.

        Args:
            name: the network.
            loss: computes the loss, a scalar, with the network's gradients on.
            batch_idx: the number of the batch in the epoch, for gradient accumulation.
        """
        optimizer = self._lightning_optimizer(name)
        every = self.config.accumulate_grad_batches
        with self._only(name):
            value = loss()
            self.manual_backward(value / every)
        if (batch_idx + 1) % every and not self.trainer.is_last_batch:
            return value.detach()
        optimizer.step()
        optimizer.zero_grad()
        for scheduler in self._schedulers_of(optimizer, "step"):
            scheduler.step()
        return value.detach()

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip the gradients; here, and not earlier, since fp16's gradients are scaled until now."""
        self.clip_gradients(optimizer, self.config.gradient_clip_val, self.config.gradient_clip_algorithm)

    def on_train_epoch_end(self) -> None:
        """Step the schedulers that count epochs."""
        for optimizer in self.trainer.optimizers:
            for entry in self._entries(optimizer, "epoch"):
                if isinstance(entry.scheduler, ReduceLROnPlateau):
                    if (watched := self.trainer.callback_metrics.get(entry.monitor)) is not None:
                        entry.scheduler.step(watched)
                else:
                    entry.scheduler.step()

    @contextmanager
    def _only(self, name: str) -> Iterator[None]:
        own = {id(parameter) for parameter in self.network(name).parameters()}
        frozen = [each for each in self.parameters() if each.requires_grad and id(each) not in own]
        for parameter in frozen:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in frozen:
                parameter.requires_grad_(True)

    def _optimizers(self) -> dict[str, Optimizer]:
        return {name: self._optimizer_of(name) for name in self.config.networks}

    def _optimizer_of(self, name: str) -> Optimizer:
        parameters = [each for each in self.network(name).parameters() if each.requires_grad]
        return build_optimizer(self._component("optimizers", name), parameters, "model_config.optimizers")

    def _scheduler_of(self, name: str, optimizer: Optimizer, steps: int, epochs: int) -> dict[str, Any] | None:
        component = self.config.component("schedulers", name)
        if component is None:
            return None
        return build_scheduler(
            component, optimizer, steps, epochs, "model_config.schedulers", monitor=f"train_{name}_loss"
        )

    def _lightning_optimizer(self, name: str) -> Any:
        optimizers: Any = self.optimizers()
        listed = optimizers if isinstance(optimizers, list) else [optimizers]
        return listed[self.config.networks.index(name)]

    def _schedulers_of(self, optimizer: Any, interval: str) -> list[Any]:
        return [entry.scheduler for entry in self._entries(optimizer.optimizer, interval)]

    def _entries(self, optimizer: Optimizer, interval: str) -> list[Any]:
        entries = self.trainer.lr_scheduler_configs
        return [each for each in entries if each.interval == interval and each.scheduler.optimizer is optimizer]
