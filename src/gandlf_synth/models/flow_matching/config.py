"""The configuration of ``flow_matching``."""

from typing import ClassVar

from gandlf_synth.models.components.diffusion_config import DenoisingModelConfig, FlowSettings


class FlowMatchingConfig(FlowSettings, DenoisingModelConfig):
    """The ``model_config`` section of ``flow_matching``."""

    patches: ClassVar[bool] = True
