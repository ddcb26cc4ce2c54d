"""``flow_matching``: straight paths between images and noise (Lipman et al. 2023, arXiv 2210.02747)."""

from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.models.components.build_process import build_process
from gandlf_synth.models.components.denoising import DenoisingModule
from gandlf_synth.models.components.labeled_augmentation import BatchAugmentation, augmentation_parts
from gandlf_synth.models.flow_matching.config import FlowMatchingConfig


class FlowMatching(DenoisingModule[FlowMatchingConfig]):
    """The flow between images and noise."""

    def __init__(self, config: FlowMatchingConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        controlled = config.controlnet_from is not None
        if config.labeled_augmentation is not None:
            self.augmentation = BatchAugmentation(config.labeled_augmentation, spec.spatial_dims)
        parts = [*spec.parts, *augmentation_parts(config.labeled_augmentation, spec.spatial_dims)]
        self.process = build_process(config, self.build_loss(), spec, spec.num_channels, parts, controlled=controlled)
