"""One way to sample, and how good it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """A way to sample, and what came of it.

    Args:
        sampler: the solver.
        num_inference_steps: its steps.
        kid: kernel distance to held-out real images; ``kid_low`` and ``kid_high`` are its 95 % interval.
        density, coverage: overlap with them.
        seconds_per_image: of sampling, in batches as asked for.
    """

    sampler: str
    num_inference_steps: int
    kid: float
    kid_low: float
    kid_high: float
    density: float
    coverage: float
    seconds_per_image: float
