"""Which process the settings of diffusion or flow matching ask for."""

from collections.abc import Sequence

from torch import nn

from gandlf_synth.data.loading.conditioners import ConditionPart
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.models.components.denoising import AnyProcess
from gandlf_synth.models.components.diffusion_config import DiffusionSettings, FlowSettings
from gandlf_synth.models.components.diffusion_process import DiffusionProcess
from gandlf_synth.models.components.edm_process import EDMProcess
from gandlf_synth.models.components.flow_process import FlowProcess


def build_process(
    settings: DiffusionSettings | FlowSettings,
    criterion: nn.Module,
    spec: DataSpec,
    channels: int,
    parts: Sequence[ConditionPart],
    *,
    controlled: bool = False,
) -> AnyProcess:
    """Return the process of ``settings``.

    Args:
        settings: of the process.
        criterion: the loss, one value per element.
        spec: the data.
        channels: of what is noised: the images of ``spec`` or their latents.
        parts: what that is conditioned on.
        controlled: whether the denoiser is a finished one, with a branch that learns to steer it by images.
    """
    if isinstance(settings, FlowSettings):
        return FlowProcess(settings, criterion, spec.spatial_dims, channels, parts, controlled=controlled)
    process = EDMProcess if settings.prediction_type == "edm" else DiffusionProcess
    return process(settings, criterion, spec.spatial_dims, channels, parts, controlled=controlled)
