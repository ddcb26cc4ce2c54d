"""What a postprocessing step is; found through the entry-point group ``postprocessing``."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gandlf_synth import registry
from gandlf_synth.config import Step
from gandlf_synth.data.processing.transforms.base import Parameters

Values = NDArray[np.float64]


class Postprocessing(Parameters, ABC):
    """A change of a finished image, in the units of the files; its fields are the parameters in the YAML."""

    @abstractmethod
    def __call__(self, channel: Values) -> Values:
        """Return one channel, ``(*spatial)``, changed."""


def postprocessed(image: Values, steps: Sequence[Step]) -> Values:
    """Return ``image (channels, *spatial)``, in the units of the files, after ``steps``, channel by channel."""
    for step in steps:
        change: Postprocessing = registry.load("postprocessing", step.name).model_validate(step.parameters)
        image = np.stack([change(channel) for channel in image])
    return image
