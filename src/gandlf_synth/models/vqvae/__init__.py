"""Vector-quantized autoencoder with a prior of its codes (van den Oord et al. 2017, arXiv 1711.00937)."""

from gandlf_synth.models.family import ModelFamily

FAMILY = ModelFamily(
    title="Vector-quantized autoencoder; a prior of its codes makes new images",
    paper="van den Oord et al. 2017, arXiv 1711.00937; Chang et al. 2022, arXiv 2202.04200",
    config="gandlf_synth.models.vqvae.config:VQVAEConfig",
    module="gandlf_synth.models.vqvae.module:VQVAE",
    tasks=("synthesis", "reconstruction"),
    tiny={
        "architecture": {
            "embedding_dim": 4,
            "num_embeddings": 8,
            "num_channels_upsample_downsample_layers": [8, 8],
            "num_residual_layers": 1,
            "num_residual_channels": [8, 8],
            "downsample_conv_parameters": [[2, 4, 1, 1], [2, 4, 1, 1]],
            "upsample_conv_parameters": [[2, 4, 1, 1, 0], [2, 4, 1, 1, 0]],
            "prior_channels": 8,
            "prior_layers": 1,
            "prior_heads": 2,
        },
        "prior_fraction": 1,
    },
)
