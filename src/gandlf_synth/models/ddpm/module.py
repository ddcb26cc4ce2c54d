"""``ddpm``: denoising diffusion in pixel space (Ho et al. 2020, arXiv 2006.11239)."""

from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.models.components.build_process import build_process
from gandlf_synth.models.components.denoising import DenoisingModule
from gandlf_synth.models.components.labeled_augmentation import BatchAugmentation, augmentation_parts
from gandlf_synth.models.ddpm.config import DDPMConfig


class DDPM(DenoisingModule[DDPMConfig]):
    """The diffusion process on images."""

    def __init__(self, config: DDPMConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        controlled = config.controlnet_from is not None
        if config.labeled_augmentation is not None:
            self.augmentation = BatchAugmentation(config.labeled_augmentation, spec.spatial_dims)
        parts = [*spec.parts, *augmentation_parts(config.labeled_augmentation, spec.spatial_dims)]
        self.process = build_process(config, self.build_loss(), spec, spec.num_channels, parts, controlled=controlled)
