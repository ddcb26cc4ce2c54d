"""The configuration of ``flow_matching``."""

from typing import ClassVar

from gandlf_synth.models.components.diffusion_config import ControlledModelConfig, FlowSettings


class FlowMatchingConfig(FlowSettings, ControlledModelConfig):
    """The ``model_config`` section of ``flow_matching``."""

    patches: ClassVar[bool] = True
    process_keys: ClassVar[tuple[str, ...]] = ("start",)
