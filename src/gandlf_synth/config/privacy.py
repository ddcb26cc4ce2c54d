"""The limit to what a trained model may tell of one subject."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from gandlf_synth.config.model import Auto
from gandlf_synth.config.section import Section

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Privacy(Section):
    """Differential privacy: how much a trained model may differ for the images of any one subject."""

    epsilon: Positive
    """The budget of the whole run: without a subject, no set of models becomes more than e^``epsilon`` times as likely
    or unlikely, but for ``delta``."""
    delta: Annotated[float, Field(gt=0, lt=1)] | Auto = "auto"
    """The probability that is left out of this promise; ``auto``: a power of ten, at most a tenth of 1/subjects."""
    max_grad_norm: Positive = 1.0
    """Largest norm of what one subject adds to the sum of gradients in a step."""
    unit: Literal["subject"] = "subject"
    """Whose images are protected together: all of one ``SubjectID``."""
    noise_multiplier: Positive | Auto = "auto"
    """Standard deviation of the noise in the sum of gradients, in ``max_grad_norm``; ``auto``: the smallest with which
    all steps of the run keep within ``epsilon``."""
    images_at_once: PositiveInt | Auto = "auto"
    """Images of one subject that pass through the network together; ``auto``: what usually fits into memory."""
    from_scratch: bool = False
    """Train without ``init_from`` in spite of fewer than 5,000 subjects."""
    value_range: tuple[float, float] | None = None
    """The values after ``data_preprocessing`` that the network sees as -1 and 1; absent: those of ``init_from``."""
    spacing: list[Positive] | None = None
    """Millimetres between the voxels that the network sees, along each axis; absent: those of ``init_from``."""
