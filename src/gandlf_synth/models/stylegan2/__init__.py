"""Style-based generation with adaptive augmentation (Karras et al. 2020, arXiv 1912.04958 and 2006.06676)."""

from gandlf_synth.models.family import ModelFamily

FAMILY = ModelFamily(
    title="Style-based GAN with adaptive, anatomically valid augmentation: sharp, for few images",
    paper="Karras et al. 2020, arXiv 1912.04958; Karras et al. 2020, arXiv 2006.06676",
    config="gandlf_synth.models.stylegan2.config:StyleGAN2Config",
    module="gandlf_synth.models.stylegan2.module:StyleGAN2",
    tiny={
        "architecture": {
            "latent_vector_size": 8,
            "intermediate_latent_size": 8,
            "num_mapping_layers": 2,
            "channel_base": 64,
            "channel_max": 8,
        }
    },
)
