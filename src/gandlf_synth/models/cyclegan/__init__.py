"""Image-to-image translation without pairs, by cycles (Zhu et al. 2017, arXiv 1703.10593)."""

from gandlf_synth.models.family import ModelFamily

FAMILY = ModelFamily(
    title="Images from images of other subjects: translation that learns from two unpaired sets",
    paper="Zhu et al. 2017, arXiv 1703.10593; Yang et al. 2018, arXiv 1809.04536",
    config="gandlf_synth.models.cyclegan.config:CycleGANConfig",
    module="gandlf_synth.models.cyclegan.module:CycleGAN",
    tiny={
        "conditioning": ["image"],
        "architecture": {"init_channels": 8, "blocks_down": [1, 1], "norm_num_groups": 2, "discriminator_channels": 4},
        "pool_size": 3,
    },
)
