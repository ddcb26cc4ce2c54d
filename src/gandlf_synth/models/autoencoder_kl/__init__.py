"""Variational autoencoder with an adversarial loss (Rombach et al. 2022, arXiv 2112.10752, section 3.1)."""

from gandlf_synth.models.family import ModelFamily

FAMILY = ModelFamily(
    title="Variational autoencoder: reconstructs sharply, samples softly; the first stage of latent diffusion",
    paper="Kingma & Welling 2014, arXiv 1312.6114; Rombach et al. 2022, arXiv 2112.10752",
    config="gandlf_synth.models.autoencoder_kl.config:AutoencoderKLConfig",
    module="gandlf_synth.models.autoencoder_kl.module:AutoencoderKL",
    tasks=("synthesis", "reconstruction"),
    tiny={
        "architecture": {
            "num_channels": [8, 8],
            "num_res_blocks": 1,
            "attention_levels": [False, False],
            "norm_num_groups": 4,
            "latent_channels": 2,
            "discriminator_channels": 4,
        },
        "kl_warmup_fraction": 0,
        "adversarial_start_fraction": 0,
    },
)
