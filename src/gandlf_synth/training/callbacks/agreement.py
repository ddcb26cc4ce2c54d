"""What all processes have to decide alike, by numbers that only some of them know."""

import time

import torch
from lightning.pytorch import Trainer

_MOST_BATCHES = 1000


class Agreement:
    """Takes the largest of each number over all processes, in one message, and in most batches in none.

    A message in every batch would make all processes wait for one another, and each for its GPU.

    Args:
        period: seconds between messages, about; by the first process's clock.
    """

    def __init__(self, period: float = 1.0) -> None:
        self._period = period
        self._batches = self._next = 0
        self._last = 0.0

    def reach(self, trainer: Trainer, *numbers: float) -> list[float] | None:
        """Return the largest of each of ``numbers``, the same in all processes; None in a batch without a message.

        To be called in the same batches by all processes. One process alone always gets its own numbers.
        """
        if trainer.world_size == 1:
            return list(numbers)
        self._batches += 1
        if self._batches < self._next:
            return None
        wait = self._batches_of_a_period() if trainer.is_global_zero else 0
        message = torch.tensor([*numbers, wait], device=trainer.strategy.root_device)
        torch.distributed.all_reduce(message, torch.distributed.ReduceOp.MAX)
        *agreed, batches = message.tolist()
        self._batches, self._next, self._last = 0, int(batches), time.monotonic()
        return agreed

    def _batches_of_a_period(self) -> int:
        """Return how many batches like the last ones fill the period; 1 before there were any."""
        if not self._last:
            return 1
        seconds = (time.monotonic() - self._last) / self._batches
        return max(1, min(_MOST_BATCHES, 2 * max(1, self._next), int(self._period / max(seconds, 1e-6))))
