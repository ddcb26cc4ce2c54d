"""The configuration of ``ddpm``."""

from typing import ClassVar

from gandlf_synth.config import Setting, Size
from gandlf_synth.models.components.diffusion_config import ControlledModelConfig, DiffusionSettings

_THIN = ("XS", "S")
_OTHER_LEVELS = {"prediction_type", "beta_schedule", "zero_terminal_snr", "min_snr_gamma", "sampler"}


class DDPMConfig(DiffusionSettings, ControlledModelConfig):
    """The ``model_config`` section of ``ddpm``."""

    patches: ClassVar[bool] = True
    process_keys: ClassVar[tuple[str, ...]] = ("prediction_type", "edm", "beta_schedule", "zero_terminal_snr")

    def choose_networks(self, setting: Setting, size: Size) -> dict[str, object]:
        """Return a U-Net, its optimizer and, for short trainings, the objective that learns most in few steps."""
        chosen = super().choose_networks(setting, size)
        if self.controlnet_from is not None:
            return chosen
        other_levels = self.model_fields_set & _OTHER_LEVELS
        return chosen if size not in _THIN or other_levels else {**chosen, "prediction_type": "edm"}
