"""Diffusion in the latents of an autoencoder (Rombach et al. 2022, arXiv 2112.10752)."""

from gandlf_synth.models.family import ModelFamily

FAMILY = ModelFamily(
    title="Diffusion or flow in the latents of an autoencoder, for large images and volumes; one command trains both",
    paper="Rombach et al. 2022, arXiv 2112.10752; Pinaya et al. 2022, arXiv 2209.07162",
    config="gandlf_synth.models.latent_diffusion.config:LatentDiffusionConfig",
    module="gandlf_synth.models.latent_diffusion.module:LatentDiffusion",
    tasks=("synthesis", "inpainting"),
    tiny={
        "first_stage": {
            "model_name": "autoencoder_kl",
            "architecture": {
                "num_channels": [8, 8],
                "num_res_blocks": 1,
                "norm_num_groups": 4,
                "latent_channels": 2,
                "discriminator_channels": 4,
            },
        },
        "second_stage": {
            "architecture": {
                "num_channels": [8, 8],
                "attention_levels": [False, True],
                "num_res_blocks": 1,
                "norm_num_groups": 4,
                "num_head_channels": 4,
                "num_train_timesteps": 20,
            },
            "num_inference_steps": 3,
        },
    },
)
