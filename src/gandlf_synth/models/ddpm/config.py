"""The configuration of ``ddpm``."""

from collections.abc import Mapping
from math import log
from typing import ClassVar

from gandlf_synth.config import THIN, Setting, Size
from gandlf_synth.models.components.diffusion_config import (
    ControlledModelConfig,
    DiffusionSettings,
    EDMSettings,
    noise_shift,
)

_OTHER_LEVELS = {"prediction_type", "beta_schedule", "zero_terminal_snr", "min_snr_gamma", "sampler"}


class DDPMConfig(DiffusionSettings, ControlledModelConfig):
    """The ``model_config`` section of ``ddpm``."""

    patches: ClassVar[bool] = True
    process_keys: ClassVar[tuple[str, ...]] = (
        "prediction_type", "edm", "beta_schedule", "zero_terminal_snr", "labeled_augmentation",
    )  # fmt: skip

    choice_reasons: ClassVar[Mapping[str, str]] = {"edm": "noise hides less of an image with more voxels"}

    def choose_networks(self, setting: Setting, size: Size) -> dict[str, object]:
        """Return a U-Net, its optimizer and, for short trainings, the objective that learns most in few steps."""
        chosen = super().choose_networks(setting, size)
        if self.controlnet_from is not None:
            return chosen
        if self.prediction_type != "edm" and (size not in THIN or self.model_fields_set & _OTHER_LEVELS):
            return chosen
        return {**chosen, "prediction_type": "edm", **_levels(noise_shift(setting.shape))}


def _levels(shift: float) -> dict[str, object]:
    """Return the noise levels of images that need ``shift`` times the noise; the usual ones need not be said."""
    usual = EDMSettings()
    levels = {"p_mean": round(usual.p_mean + log(shift), 2), "sigma_max": round(usual.sigma_max * shift, 1)}
    return {} if shift == 1 else {"edm": levels}
