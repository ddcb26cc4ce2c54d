"""Says when the steps of a run take much longer, or much less time, than those of the trial before it."""

import time
from collections.abc import Callable
from statistics import median

from lightning.pytorch import Callback, LightningModule, Trainer

from gandlf_synth.data.loading.dataset import Batch

_SECONDS, _STEPS = 5.0, 8
"""That must be over, both, before steps are compared."""
_FACTOR = 2.0


class PaceCheck(Callback):
    """Compares the first steps of a run that the clock ends with the trial by which its networks were chosen.

    Rates and stages follow the clock, so that they are right all the same. What is not is the number of steps that was
    foreseen, and perhaps the size of the networks.

    Args:
        seconds_per_step: of the optimizer, in the trial.
        steps: that were foreseen.
        say: tells the user.
        accumulated: batches in a step of the optimizer.
        resize: what to do where wider networks would have had time.
    """

    def __init__(
        self, seconds_per_step: float, steps: int, say: Callable[[str], None], *, accumulated: int = 1, resize: str = ""
    ) -> None:
        self._expected, self._steps, self._say = seconds_per_step, steps, say
        self._accumulated, self._resize = accumulated, resize
        self._measured: list[float] = []
        self._last, self._epoch = 0.0, -1
        self._done = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: Batch, batch_idx: int
    ) -> None:
        """Take the time since the batch before, of the same epoch: between epochs come validation and grids."""
        if self._done or not trainer.is_global_zero:
            return
        now = time.monotonic()
        if self._epoch == trainer.current_epoch:
            self._measured.append(now - self._last)
        self._last, self._epoch = now, trainer.current_epoch
        if len(self._measured) >= _STEPS and sum(self._measured) >= _SECONDS:
            self._compare()

    def _compare(self) -> None:
        self._done = True
        seconds = median(self._measured) * self._accumulated
        faster = self._expected / seconds
        if 1 / _FACTOR < faster < _FACTOR:
            return
        instead = f"about {round(self._steps * faster):,} steps instead of {self._steps:,}"
        what = f"a step takes {seconds:.2g} s, not {self._expected:.2g} s as in the trial before the run: {instead}"
        if faster > 1:
            advice = f"; wider networks may have time: {self._resize}" if self._resize else ""
            self._say(f"Note: {what}. Something else used the processor during the trial{advice}")
        else:
            self._say(f"Note: {what}. Is something else using the processor? The run ends in time all the same")
