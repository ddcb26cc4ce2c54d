"""Image-to-image translation by regression, with a discriminator if wanted (Isola et al. 2017, arXiv 1611.07004)."""

from gandlf_synth.models.family import ModelFamily

FAMILY = ModelFamily(
    title="Images from images of the same subject, in one pass: translation, masks to images, super-resolution",
    paper="Isola et al. 2017, arXiv 1611.07004; Myronenko 2018, arXiv 1810.11654",
    config="gandlf_synth.models.pix2pix.config:Pix2PixConfig",
    module="gandlf_synth.models.pix2pix.module:Pix2Pix",
    tiny={
        "conditioning": ["image"],
        "architecture": {"init_channels": 8, "blocks_down": [1, 1], "norm_num_groups": 2, "discriminator_channels": 4},
        "adversarial_start_fraction": 0,
    },
)
