"""How long training lasts, for schedulers whose defaults depend on it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Horizon:
    """What a scheduler is told of the run; the second positional-only argument of its factory.

    Args:
        steps_per_epoch: steps of the optimizer in an epoch.
        num_epochs: epochs of the run.
        monitor: the logged value to watch, for schedulers that watch one.
    """

    steps_per_epoch: int
    num_epochs: int
    monitor: str = "train_loss"

    @property
    def num_steps(self) -> int:
        """Steps of the optimizer in the whole run."""
        return self.steps_per_epoch * self.num_epochs

    def steps(self, epochs: float) -> int:
        """Return the steps in ``epochs``, at least one."""
        return max(1, round(epochs * self.steps_per_epoch))
