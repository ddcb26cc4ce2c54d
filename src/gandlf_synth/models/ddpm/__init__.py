"""Denoising diffusion probabilistic models (Ho et al. 2020, arXiv 2006.11239)."""

from gandlf_synth.models.family import ModelFamily

FAMILY = ModelFamily(
    title="Denoising diffusion in pixel space, with classes by classifier-free guidance",
    paper="Ho et al. 2020, arXiv 2006.11239; Ho & Salimans 2022, arXiv 2207.12598",
    config="gandlf_synth.models.ddpm.config:DDPMConfig",
    module="gandlf_synth.models.ddpm.module:DDPM",
    tasks=("synthesis", "inpainting"),
    tiny={
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
)
