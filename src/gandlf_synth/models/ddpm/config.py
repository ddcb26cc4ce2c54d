"""The configuration of ``ddpm``."""

from typing import ClassVar

from gandlf_synth.models.components.diffusion_config import DenoisingModelConfig, DiffusionSettings


class DDPMConfig(DiffusionSettings, DenoisingModelConfig):
    """The ``model_config`` section of ``ddpm``."""

    patches: ClassVar[bool] = True
