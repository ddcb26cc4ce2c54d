"""How much training a run may take: seconds of the processor, steps, and a moment on the wall's clock."""

import time
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Budget:
    """Ends a training.

    Time of the processor is that of this process, so that other work on the machine does not count. Where the deadline
    is near, the training is made shorter from its beginning on, so that its rates still come down.

    Args:
        cpu_seconds: of this process; None: not limited.
        steps: of the training; None: not limited.
        deadline: of ``time.monotonic``, for whoever must be done by then; None: none.
        pace: the share of the steps that is done when each equal part of the processor's time is over, from 0 to 1.
            Networks that join late make later steps dearer; steps alone would then give the early ones less of them
            than time does. Empty: all steps cost the same.
    """

    cpu_seconds: float | None = None
    steps: int | None = None
    deadline: float | None = None
    pace: tuple[float, ...] = ()
    _started: float = field(default_factory=time.process_time)
    _began: float = field(default_factory=time.monotonic)

    def restart(self) -> None:
        """Begin to count now: what was made ready before is not a part of the training."""
        self._started, self._began = time.process_time(), time.monotonic()

    def progress(self, step: int) -> float:
        """Return the share of the training that is over after ``step`` steps, at most 1."""
        by_steps = step / self.steps if self.steps else 0.0
        if self.pace:
            by_steps = float(np.interp(by_steps, self.pace, np.linspace(0, 1, len(self.pace))))
        by_time = (time.process_time() - self._started) / self.cpu_seconds if self.cpu_seconds else 0.0
        by_deadline = 0.0
        if self.deadline is not None:
            by_deadline = (time.monotonic() - self._began) / max(1e-3, self.deadline - self._began)
        return min(1.0, max(by_steps, by_time, by_deadline))

    @property
    def late(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() > self.deadline
