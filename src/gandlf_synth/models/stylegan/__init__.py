"""Progressive style-based generation (Karras et al. 2018, arXiv 1710.10196 and 1812.04948)."""

from gandlf_synth.models.family import ModelFamily

FAMILY = ModelFamily(
    title="Progressive style-based GAN: grows from coarse to fine, stage by stage",
    paper="Karras et al. 2018, arXiv 1812.04948; Karras et al. 2017, arXiv 1710.10196",
    config="gandlf_synth.models.stylegan.config:StyleGANConfig",
    module="gandlf_synth.models.stylegan.module:StyleGAN",
    tiny={
        "architecture": {
            "latent_vector_size": 8,
            "intermediate_latent_size": 8,
            "first_conv_channels": 8,
            "progressive_layers_scaling_factors": [1, "1/2"],
            "progressive_epochs": [0.5, 0.5],
        }
    },
)
