"""What a training that goes on takes over besides weights: how far it came, where in an epoch, at which rates."""

from collections.abc import Mapping, Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from gandlf_synth.data.loading.datamodule import SynthesisDataModule
from gandlf_synth.optim import full_rate

_KEY = "session"
_PLATEAU = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")
"""What a scheduler that watches a value has counted so far."""


class Resumption(Callback):
    """Goes on where a checkpoint was written, under the present configuration.

    Trainers restore optimizers and schedulers as they were, and with them the rates of the earlier configuration. Here
    optimizers get the options that the configuration has now; a schedule of another length goes on at the share of it
    that belongs to the steps which are still to come.

    Args:
        data: the batches.
    """

    def __init__(self, data: SynthesisDataModule) -> None:
        self._data = data
        self._earlier: Mapping[str, Any] | None = None
        self._earlier_rates: Sequence[float] = ()
        self._scheduler_states: Sequence[Mapping[str, Any]] = ()

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put into the checkpoint how far the training came, and under which rates."""
        checkpoint[_KEY] = {
            "progress": pl_module.training_progress,
            "elapsed": max(pl_module.elapsed_fraction, pl_module.reached_fraction),
            "length": _length(trainer, pl_module),
            "components": _components(pl_module),
            "rates": [full_rate(optimizer) for optimizer in trainer.optimizers],
        }

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take it over; the states of schedulers only where they are the same schedulers."""
        session: Mapping[str, Any] | None = checkpoint.get(_KEY)
        if session is None:
            return
        self._earlier, self._earlier_rates = session, session["rates"]
        self._scheduler_states = checkpoint["lr_schedulers"]
        pl_module.reached_progress, pl_module.reached_fraction = session["progress"], session["elapsed"]
        if session["components"]["schedulers"] != _components(pl_module)["schedulers"]:
            checkpoint["lr_schedulers"] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on at the right sample, and at the rates of the configuration."""
        if self._earlier is None:
            return
        self._go_to_sample(trainer)
        begun = trainer.fit_loop.epoch_loop.batch_progress.current.ready
        pl_module.resumed_at = pl_module.run_progress_before(begun if begun < trainer.num_training_batches else 0)
        before, now = self._earlier["components"], _components(pl_module)
        same_schedule = (
            self._earlier["length"] == _length(trainer, pl_module) and before["schedulers"] == now["schedulers"]
        )
        same = same_schedule and before["optimizers"] == now["optimizers"]
        for number, (optimizer, fresh) in enumerate(zip(trainer.optimizers, _fresh(pl_module), strict=True)):
            networks = pl_module.config.networks
            steps = None if same_schedule else pl_module.scheduled_steps(networks[min(number, len(networks) - 1)])
            self._set_rate(trainer, number, optimizer, fresh, same=same, steps=steps)

    def _go_to_sample(self, trainer: Trainer) -> None:
        """Count the batches of the interrupted epoch in batches of the present size."""
        begun = self._data.batches_begun()
        if begun is None:
            return
        loop = trainer.fit_loop.epoch_loop
        current = loop.batch_progress.current
        current.ready = current.started = current.processed = begun
        # The loop itself counts the batch in whose last hook a checkpoint was written as completed.
        current.completed = begun - 1 if loop.restarted_on_train_batch_end else begun

    def _set_rate(
        self, trainer: Trainer, number: int, optimizer: Optimizer, fresh: "_Fresh", *, same: bool, steps: int | None
    ) -> None:
        entry: Any = _entry_of(trainer, optimizer)
        if entry is None:
            for group, new in zip(optimizer.param_groups, fresh.optimizer.param_groups, strict=True):
                group.update({"lr": new["lr"]} if same else _options(new))
        elif not same and isinstance(entry.scheduler, ReduceLROnPlateau):
            self._go_on_watching(number, optimizer, entry.scheduler, fresh)
        elif not same:
            for _ in range(entry.scheduler.last_epoch if steps is None else steps):
                fresh.scheduler.step()
            entry.scheduler, fresh.scheduler.optimizer = fresh.scheduler, optimizer
            for group, new in zip(optimizer.param_groups, fresh.optimizer.param_groups, strict=True):
                group.update(_options(new))

    def _go_on_watching(self, number: int, optimizer: Optimizer, scheduler: Any, fresh: "_Fresh") -> None:
        """Keep what a scheduler that watches a value has counted, and how far it has lowered the rate."""
        states = self._scheduler_states
        counted = states[number] if number < len(states) and "num_bad_epochs" in states[number] else {}
        kept = {name: counted[name] for name in _PLATEAU if name in counted}
        scheduler.load_state_dict({**fresh.scheduler.state_dict(), **kept})
        for group, new in zip(optimizer.param_groups, fresh.optimizer.param_groups, strict=True):
            share = group["lr"] / self._earlier_rates[number] if counted else 1.0
            group.update({**_options(new), "lr": new["lr"] * share})


class _Fresh:
    """An optimizer and its scheduler as the configuration makes them for a run that begins."""

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[Any]) -> None:
        self.optimizer = optimizer
        self.scheduler: Any = next((own for own in schedulers if own.optimizer is optimizer), None)


def _fresh(module: LightningModule) -> list[_Fresh]:
    configured: Any = module.configure_optimizers()
    if isinstance(configured, Optimizer):
        return [_Fresh(configured, [])]
    if isinstance(configured, Mapping):
        return [_Fresh(configured["optimizer"], [configured["lr_scheduler"]["scheduler"]])]
    optimizers, entries = configured
    return [_Fresh(optimizer, [entry["scheduler"] for entry in entries]) for optimizer in optimizers]


def _entry_of(trainer: Trainer, optimizer: Optimizer) -> Any:
    entries = trainer.lr_scheduler_configs
    return next((entry for entry in entries if entry.scheduler.optimizer is optimizer), None)


def _options(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}


def _components(module: LightningModule) -> dict[str, Any]:
    dumped: dict[str, Any] = module.config.model_dump(mode="json", include={"optimizers", "schedulers"})
    return dumped


def _length(trainer: Trainer, module: LightningModule) -> list[int]:
    """Return what the lengths of schedules follow from."""
    return [int(trainer.max_epochs or 1), int(trainer.num_training_batches), module.config.accumulate_grad_batches]
