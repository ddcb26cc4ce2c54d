"""The configuration of ``flow_matching``."""

from collections.abc import Mapping
from typing import ClassVar

from gandlf_synth.config import Setting, Size
from gandlf_synth.models.components.diffusion_config import ControlledModelConfig, FlowSettings, noise_shift


class FlowMatchingConfig(FlowSettings, ControlledModelConfig):
    """The ``model_config`` section of ``flow_matching``."""

    patches: ClassVar[bool] = True
    process_keys: ClassVar[tuple[str, ...]] = ("start", "time_shift", "labeled_augmentation")
    choice_reasons: ClassVar[Mapping[str, str]] = {"time_shift": "noise hides less of an image with more voxels"}

    def choose_networks(self, setting: Setting, size: Size) -> dict[str, object]:
        """Return a U-Net, its optimizer and, for large images, times nearer to the noise."""
        chosen = super().choose_networks(setting, size)
        shift = noise_shift(setting.shape)
        known = self.controlnet_from is not None or self.start == "source" or shift == 1
        return chosen if known else {**chosen, "time_shift": round(shift, 2)}
