"""The learning rates of a run without schedulers."""

from lightning.pytorch import Callback, LightningModule, Trainer

from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.optim import full_rate
from gandlf_synth.training.rates import rate_share


class RateSchedule(Callback):
    """Lets the learning rates rise at the beginning and fall to zero at the end of the run; see ``rate_share``.

    How much of the run is over is told by its steps, or by the clock where that limit is nearer. Networks that take
    turns have a beginning and an end each.

    Args:
        warmup: the share of a network's time in which its rate rises.
        cooldown: the share of a network's time in which its rate falls.
    """

    def __init__(self, warmup: float, cooldown: float) -> None:
        self._warmup, self._cooldown = warmup, cooldown

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Set the rates of the batch."""
        networks = pl_module.config.networks
        progress = pl_module.run_progress_before(batch_idx)
        for number, optimizer in enumerate(trainer.optimizers):
            span = pl_module.schedule_span(networks[min(number, len(networks) - 1)])
            share = rate_share(progress, span, self._warmup, self._cooldown)
            for group in optimizer.param_groups:
                group["lr"] = full_rate(optimizer) * share
