"""Deep convolutional generative adversarial networks (Radford et al. 2015, arXiv 1511.06434)."""

from gandlf_synth.models.family import ModelFamily

FAMILY = ModelFamily(
    title="Convolutional generator and discriminator: fast, small, for any size",
    paper="Radford et al. 2015, arXiv 1511.06434; Miyato & Koyama 2018, arXiv 1802.05637",
    config="gandlf_synth.models.dcgan.config:DCGANConfig",
    module="gandlf_synth.models.dcgan.module:DCGAN",
    tiny={
        "architecture": {"latent_vector_size": 8, "init_channels_generator": 16, "init_channels_discriminator": 8},
        "optimizers": {"name": "adam", "lr": 1e-3, "weight_decay": 0.0},
    },
)
