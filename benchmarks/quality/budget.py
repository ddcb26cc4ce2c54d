"""How much training a run may take: seconds of the processor, steps, and a moment on the wall's clock."""

import time
from dataclasses import dataclass, field


@dataclass
class Budget:
    """Ends a training.

    Time of the processor is that of this process, so that other work on the machine does not count. Where the deadline
    is near, the training is made shorter from its beginning on, so that its rates still come down.

    Args:
        cpu_seconds: of this process; None: not limited.
        steps: of the training; None: not limited.
        deadline: of ``time.monotonic``, for whoever must be done by then; None: none.
    """

    cpu_seconds: float | None = None
    steps: int | None = None
    deadline: float | None = None
    _started: float = field(default_factory=time.process_time)
    _began: float = field(default_factory=time.monotonic)

    def progress(self, step: int) -> float:
        """Return the share of the training that is over after ``step`` steps, at most 1."""
        by_steps = step / self.steps if self.steps else 0.0
        by_time = (time.process_time() - self._started) / self.cpu_seconds if self.cpu_seconds else 0.0
        by_deadline = 0.0
        if self.deadline is not None:
            by_deadline = (time.monotonic() - self._began) / max(1e-3, self.deadline - self._began)
        return min(1.0, max(by_steps, by_time, by_deadline))

    @property
    def late(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() > self.deadline
