"""The recipes that are compared, by name: the families as they come, variants of one thing each, and rivals."""

from dataclasses import replace
from typing import Any

from benchmarks.quality.recipe import Recipe

PERCEPTUAL = "efficientnet-lite0"
_WIDTHS = {"thin": [16, 32, 64], "medium": [32, 64, 96], "wide": [48, 96, 144]}


def unet(width: str, groups: int) -> dict[str, Any]:
    """Return a U-Net of three resolutions with attention at the coarsest."""
    channels = _WIDTHS[width]
    return {
        "num_channels": channels,
        "attention_levels": [False, False, True],
        "num_res_blocks": 1,
        "num_head_channels": channels[-1] // 2,
        "norm_num_groups": groups,
    }


def denoiser(objective: str, width: str, *, groups: int = 16, batch: int = 8, **settings: Any) -> Recipe:
    """Return a recipe of ``ddpm`` (``edm`` or ``v``) or ``flow_matching`` (``flow``).

    Args:
        objective: ``edm``, ``v`` or ``flow``.
        width: ``thin``, ``medium`` or ``wide``.
        groups: of the normalization.
        batch: images in a batch.
        settings: ``rate``, ``levels`` (the section ``edm``), and those of ``Recipe``.
    """
    rate, levels = settings.pop("rate", 1e-3 if width == "wide" else 2e-3), settings.pop("levels", None)
    model: dict[str, Any] = {
        "model_name": "flow_matching" if objective == "flow" else "ddpm",
        "architecture": unet(width, groups),
        "optimizers": {"name": "adamw", "lr": rate, "weight_decay": 0.01},
    }
    if objective == "edm":
        model |= {"prediction_type": "edm", **({"edm": levels} if levels else {})}
    return Recipe(model, batch, **{"averages": (0.05, 0.1), **settings})


def _objectives() -> dict[str, Recipe]:
    pairs = [(objective, width) for objective in ("edm", "v", "flow") for width in _WIDTHS]
    return {f"{objective}-{width}": denoiser(objective, width) for objective, width in pairs}


def _groups() -> dict[str, Recipe]:
    counts = {"thin": (1, 4, 8), "medium": (1, 4, 8, 32), "wide": (4, 48)}
    pairs = [(width, groups) for width in counts for groups in counts[width]]
    edm = {f"edm-{width}-groups{groups}": denoiser("edm", width, groups=groups) for width, groups in pairs}
    return edm | {f"flow-thin-groups{groups}": denoiser("flow", "thin", groups=groups) for groups in (4, 8)}


def _batches_and_rates() -> dict[str, Recipe]:
    found: dict[str, Recipe] = {}
    for width in ("thin", "medium"):
        found |= {f"edm-{width}-batch{batch}": denoiser("edm", width, batch=batch) for batch in (4, 16, 32)}
        found |= {f"edm-{width}-rate{rate:g}": denoiser("edm", width, rate=rate) for rate in (5e-4, 1e-3, 4e-3)}
    found |= {f"edm-medium-cooldown{part:g}": denoiser("edm", "medium", cooldown=part) for part in (0.0, 0.2, 0.8)}
    found["edm-medium-warmup0.05"] = denoiser("edm", "medium", warmup=0.05)
    return found


def _depths() -> dict[str, Recipe]:
    """Four resolutions instead of three: at 64 a side the attention sees the whole image at 8 a side."""
    deep = {"num_channels": [16, 32, 64, 64], "attention_levels": [False, False, True, True]}
    return {
        f"{objective}-thin-deep": replace(recipe, model=recipe.model | {"architecture": unet("thin", 4) | deep})
        for objective in ("edm", "flow")
        for recipe in (denoiser(objective, "thin"),)
    }


def _few_images() -> dict[str, Recipe]:
    """Labeled augmentation and dropout on some of the training images."""
    found: dict[str, Recipe] = {}
    for width, count in ((width, count) for width in ("thin", "medium") for count in (200, 500)):
        plain, name = replace(denoiser("edm", width, groups=4), few=count), f"edm-{width}-of{count}"
        dropping = {"architecture": unet(width, 4) | {"dropout": 0.1}}
        variants: dict[str, dict[str, Any]] = {
            "": {},
            "-labeled0.15": {"labeled_augmentation": 0.15},
            "-labeled0.5": {"labeled_augmentation": 0.5},
            "-dropout0.1": dropping,
            "-labeled0.15-dropout0.1": {"labeled_augmentation": 0.15, **dropping},
        }
        found |= {name + variant: replace(plain, model=plain.model | keys) for variant, keys in variants.items()}
    return found


def _levels_and_samplers() -> dict[str, Recipe]:
    found = {f"edm-medium-mean{mean:g}": denoiser("edm", "medium", levels={"p_mean": mean}) for mean in (-0.8, -0.4)}
    samplings = tuple(
        {"sampler": sampler, "num_inference_steps": steps}
        for sampler, steps in (("dpmpp_2m", 18), ("dpmpp_2m", 36), ("heun", 36))
    )
    found["edm-medium-samplers"] = denoiser("edm", "medium", averages=(), samplings=samplings)
    return found


def _vqvae(channels: list[int], codes: int, **settings: Any) -> Recipe:
    """Return the vqvae of ``configs/vqvae_2d.yaml`` with other settings."""
    architecture = {
        "num_channels_upsample_downsample_layers": channels,
        "num_residual_layers": 1,
        "num_residual_channels": channels,
        "downsample_conv_parameters": [[2, 4, 1, 1]] * len(channels),
        "upsample_conv_parameters": [[2, 4, 1, 1, 0]] * len(channels),
        "num_embeddings": codes,
        "embedding_dim": 32,
        "EMA_decay": 0.95,
        "prior_channels": 48,
        "prior_dropout": 0.0,
        **settings.pop("architecture", {}),
    }
    model = {
        "model_name": "vqvae",
        "losses": {"name": "l1"},
        "structure_weight": 0.1,
        "gradient_weight": 0.1,
        "optimizers": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.0},
        "architecture": architecture,
        **settings,
    }
    return Recipe(model, 16)


def _latents(autoencoder: dict[str, Any], channels: int) -> dict[str, Any]:
    """Return the autoencoder with another number of latent channels."""
    return {**autoencoder, "architecture": {**autoencoder["architecture"], "latent_channels": channels}}


def _autoencoder(channels: list[int], groups: int, **settings: Any) -> dict[str, Any]:
    return {
        "model_name": "autoencoder_kl",
        "architecture": {"num_channels": channels, "norm_num_groups": groups, "latent_channels": 4},
        "optimizers": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.0},
        **settings,
    }


def _adversarial_vqvae(channels: list[int], codes: int, **settings: Any) -> Recipe:
    """Return a vqvae with a discriminator of patches and a perceptual term (VQGAN), sampled in several ways."""
    adversarial = {"adversarial_weight": 0.5, "adversarial_start_fraction": 0.4, "perceptual_network": PERCEPTUAL}
    return replace(_vqvae(channels, codes, **{**adversarial, **settings}), samplings=_DRAWS)


_DRAWS: tuple[dict[str, Any], ...] = (
    {"choice_temperature": 0.5},
    {"choice_temperature": 2.0},
    {"choice_temperature": 2.0, "temperature": 0.8},
    {"choice_temperature": 4.5, "num_inference_steps": 24},
)
"""Of a masked prior: how much chance is left in what is kept after a pass."""
_TRANSFORMER = {"prior": "autoregressive", "prior_channels": 128, "prior_layers": 4, "prior_dropout": 0.1}
_ADAMW = {"name": "adamw", "weight_decay": 0.0}
_DCGAN_ADAM = {"name": "adam", "lr": 5e-4, "betas": [0.5, 0.999], "weight_decay": 0.0}
_ADAM = {"name": "adam", "betas": [0.0, 0.99], "weight_decay": 0.0}


def _dcgan(architecture: dict[str, Any] | None = None, **settings: Any) -> Recipe:
    """Return the recipe of ``dcgan`` at 64x64 with other settings."""
    networks = {"init_channels_generator": 256, "init_channels_discriminator": 32, "minibatch_std_group_size": 4}
    model = {"model_name": "dcgan", "diffaugment": ["translation"], "ema_decay": 0.995, "optimizers": _DCGAN_ADAM}
    return Recipe({**model, "architecture": {**networks, **(architecture or {})}, **settings}, 16)


_THIN_STYLES = {
    "latent_vector_size": 128,
    "intermediate_latent_size": 128,
    "num_mapping_layers": 2,
    "channel_base": 1024,
    "channel_max": 128,
}


def _stylegan2(batch: int = 16, rate: float = 2.5e-3, **changes: Any) -> Recipe:
    """Return the recipe of thin networks of ``stylegan2`` at 64x64."""
    model = {
        "model_name": "stylegan2", "path_length_weight": 0.0, "style_mixing_probability": 0.5, "ema_decay": 0.995,
        "augmentation_images": 20000, "optimizers": {**_ADAM, "lr": rate},
        "architecture": _THIN_STYLES,
    }  # fmt: skip
    return Recipe({**model, **changes}, batch)


def _stylegan(stages: list[float], **settings: Any) -> Recipe:
    """Return the recipe of ``configs/stylegan_2d.yaml`` with other shares of its stages."""
    architecture = {
        "latent_vector_size": 128,
        "intermediate_latent_size": 128,
        "first_conv_channels": 128,
        "progressive_size_starting_value": 4,
        "progressive_layers_scaling_factors": [1, 1, 0.5, 0.25, 0.125],
        "progressive_epochs": stages,
    }
    optimizers = {**_ADAM, "lr": 1e-3}
    model = {"model_name": "stylegan", "ema_decay": 0.995, "optimizers": optimizers, "architecture": architecture}
    return Recipe({**model, **settings}, 16)


_SECOND = {"architecture": {"num_channels": [64, 128], "attention_levels": [False, True], "num_res_blocks": 2,
                            "num_head_channels": 32, "norm_num_groups": 16}}  # fmt: skip

_THIN_SECOND = {"architecture": {"num_channels": [48, 96], "attention_levels": [False, True], "num_res_blocks": 1,
                                 "num_head_channels": 48, "norm_num_groups": 16}}  # fmt: skip

_GRID16_SECOND = {"architecture": {"num_channels": [32, 64], "attention_levels": [False, True], "num_res_blocks": 1,
                                   "num_head_channels": 32, "norm_num_groups": 16}}  # fmt: skip

_FAMILIES_2D = {
    "stylegan2": _stylegan2(),
    "stylegan2-rate5e-3": _stylegan2(rate=5e-3),
    "stylegan2-without-noise": _stylegan2(architecture=_THIN_STYLES | {"noise_inputs": False}),
    "stylegan2-turned": _stylegan2(augmentation_rotation_degrees=7),
    "stylegan2-batch8": _stylegan2(batch=8, ema_decay=0.9975),
    "dcgan": _dcgan(),
    "dcgan-rate1e-3": _dcgan(optimizers={**_DCGAN_ADAM, "lr": 1e-3}),
    "dcgan-all-augmentations": _dcgan(diffaugment=["brightness", "contrast", "translation", "cutout"]),
    "dcgan-spectral": _dcgan(losses={"name": "hinge"}, architecture={"spectral_norm": True}),
    "dcgan-r1": _dcgan(r1_gamma=1.0, r1_interval=8),
    "stylegan": _stylegan([0.13, 0.13, 0.2, 0.27, 0.27]),
    "stylegan-rate3e-3": _stylegan([0.13, 0.13, 0.2, 0.27, 0.27], optimizers={**_ADAM, "lr": 3e-3}),
    "stylegan-rate6e-3": _stylegan([0.13, 0.13, 0.2, 0.27, 0.27], optimizers={**_ADAM, "lr": 6e-3}),
    "stylegan-late": _stylegan([0.05, 0.05, 0.1, 0.2, 0.6]),
    "stylegan-late-logistic": _stylegan([0.05, 0.05, 0.1, 0.2, 0.6], losses={"name": "bcelogits"}),
    "stylegan-late-rate3e-3": _stylegan([0.05, 0.05, 0.1, 0.2, 0.6], optimizers={**_ADAM, "lr": 3e-3}),
    "vqvae": _vqvae([32, 64], 128),
    "vqvae-autoregressive": _vqvae([32, 64], 128, architecture=_TRANSFORMER),
    "vqvae-ae": _vqvae([32, 64], 128, prior_fraction=0.0),
    "vqvae-ae-512": _vqvae([32, 64], 512, prior_fraction=0.0),
    "vqvae-ae-plain": _vqvae([32, 64], 128, prior_fraction=0.0, structure_weight=0.0, gradient_weight=0.0),
    "vqvae-ae-residual2": _vqvae([32, 64], 128, prior_fraction=0.0, architecture={"num_residual_layers": 2}),
    "vqvae-ae-wide": _vqvae([64, 64], 256, prior_fraction=0.0),
    "vqvae-ae-rate3e-3": _vqvae([32, 64], 128, prior_fraction=0.0,
                                optimizers={"name": "adamw", "lr": 3e-3, "weight_decay": 0.0}),
    "vqvae-ae-perceptual": _vqvae([32, 64], 128, prior_fraction=0.0, perceptual_network="efficientnet-lite0"),
    "vqvae-adv": _vqvae([32, 64], 128, adversarial_weight=0.5, adversarial_start_fraction=0.4),
    "vqvae-adv0.1": _vqvae([32, 64], 128, adversarial_weight=0.1, adversarial_start_fraction=0.4),
    "vqvae-codes8-adv": _vqvae([32, 64, 64], 256, adversarial_weight=0.5, adversarial_start_fraction=0.4),
    "vqvae-codes8-adv-wide": _vqvae([32, 64, 128], 512, adversarial_weight=0.5, adversarial_start_fraction=0.3,
                                    architecture={"num_residual_layers": 2, "embedding_dim": 32}),
    "vqvae-prior0.3": _vqvae([32, 64], 128, prior_fraction=0.3),
    "vqvae-codes8": _vqvae([32, 64, 64], 256),
    "vqvae-codes512": _vqvae([32, 64], 512),
    "vqvae-plain": _vqvae([32, 64], 128, structure_weight=0.0, gradient_weight=0.0),
    "vqvae-residual2": _vqvae([32, 64], 128, architecture={"num_residual_layers": 2}),
    "vqvae-perceptual": _vqvae([32, 64], 128, perceptual_network="efficientnet-lite0"),
    "vqvae-cool": _vqvae([32, 64], 128, temperature=0.9),
    "vqvae-draws": replace(_vqvae([32, 64], 128), samplings=_DRAWS),
    "vqvae-prior0.7": replace(_vqvae([32, 64], 128, prior_fraction=0.7), samplings=_DRAWS),
    "vqvae-prior96": replace(_vqvae([32, 64], 128, architecture={"prior_channels": 96}), samplings=_DRAWS),
    "vqvae-prior96-0.7": _vqvae([32, 64], 128, prior_fraction=0.7, architecture={"prior_channels": 96}),
    "vqvae-codes8-prior96": _vqvae([32, 64, 64], 256, architecture={"prior_channels": 96}),
    "vqgan": _adversarial_vqvae([32, 64], 128),
    "vqgan-prior0.7": _adversarial_vqvae([32, 64], 128, prior_fraction=0.7),
    "vqgan-codes8": _adversarial_vqvae([32, 64, 64], 256),
    "vqgan-codes8-wide": _adversarial_vqvae([32, 64, 128], 512),
    "latent-2d-thin": Recipe(
        {"model_name": "latent_diffusion",
         "second_stage": {"model_name": "ddpm", "prediction_type": "edm", **_THIN_SECOND},
         "optimizers": {"name": "adamw", "lr": 2e-3, "weight_decay": 0.01}},
        16, averages=(0.05, 0.1), first=Recipe(_autoencoder([16, 32, 64], 4), 8), first_share=0.3,
    ),
    "latent-2d": Recipe(
        {"model_name": "latent_diffusion", "second_stage": {"model_name": "ddpm", "prediction_type": "edm", **_SECOND},
         "optimizers": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.01}},
        16, averages=(0.05, 0.1), first=Recipe(_autoencoder([32, 64, 64], 8), 16),
    ),
}  # fmt: skip

_FAMILIES_3D = {
    f"autoencoder_kl-groups{groups}": Recipe(_autoencoder([16, 32, 64], groups), 4) for groups in (4, 16)
} | {
    "autoencoder_kl-late": Recipe(_autoencoder([16, 32, 64], 4, adversarial_start_fraction=0.9), 4),
    "autoencoder_kl-latents8": Recipe(_latents(_autoencoder([16, 32, 64], 4), 8), 4),
    "autoencoder_kl-grid16": Recipe(_autoencoder([16, 32], 4), 4),
    "autoencoder_kl-grid16-rate2e-3": Recipe(_autoencoder([16, 32], 4, optimizers={**_ADAMW, "lr": 2e-3}), 4),
    "autoencoder_kl-grid16-late": Recipe(
        _autoencoder([16, 32], 4, optimizers={**_ADAMW, "lr": 2e-3}, adversarial_start_fraction=0.9), 4
    ),
    "autoencoder_kl-rate2e-3": Recipe(_autoencoder([16, 32, 64], 4, optimizers={**_ADAMW, "lr": 2e-3}), 4),
    "autoencoder_kl-batch2": Recipe(_autoencoder([16, 32, 64], 4), 2),
    "autoencoder_kl-thin": Recipe(_autoencoder([8, 32, 64], 4), 4),
    "autoencoder_kl-medium": Recipe(_autoencoder([32, 64, 64], 8), 2),
    "autoencoder_kl-plain": Recipe(_autoencoder([16, 32, 64], 4, adversarial_weight=0.0, structure_weight=0.0), 4),
    "autoencoder_kl-l2": Recipe(_autoencoder([16, 32, 64], 4, adversarial_weight=0.0, structure_weight=0.0,
                                gradient_weight=0.0, losses={"name": "mse"}), 4),
    "latent-3d": Recipe(
        {"model_name": "latent_diffusion", "second_stage": {"model_name": "ddpm", **_SECOND},
         "optimizers": {"name": "adamw", "lr": 5e-4, "weight_decay": 0.01}},
        16, averages=(0.05, 0.1), first=Recipe(_autoencoder([16, 32, 64], 4), 4),
    ),
    "latent-3d-edm": Recipe(
        {"model_name": "latent_diffusion", "second_stage": {"model_name": "ddpm", "prediction_type": "edm", **_SECOND},
         "optimizers": {"name": "adamw", "lr": 1e-3, "weight_decay": 0.01}},
        16, averages=(0.05, 0.1), first=Recipe(_autoencoder([16, 32, 64], 4), 4),
    ),
    "latent-3d-thin": Recipe(
        {"model_name": "latent_diffusion",
         "second_stage": {"model_name": "ddpm", "prediction_type": "edm", **_THIN_SECOND},
         "optimizers": {"name": "adamw", "lr": 2e-3, "weight_decay": 0.01}},
        8, averages=(0.05, 0.1), first=Recipe(_autoencoder([16, 32, 64], 4), 4),
    ),
    "latent-3d-grid16": Recipe(
        {"model_name": "latent_diffusion",
         "second_stage": {"model_name": "ddpm", "prediction_type": "edm", **_GRID16_SECOND},
         "optimizers": {"name": "adamw", "lr": 2e-3, "weight_decay": 0.01}},
        4, averages=(0.05, 0.1), first=Recipe(_autoencoder([16, 32], 4), 4),
    ),
    "stylegan2-3d": _stylegan2(
        batch=8,
        architecture={"latent_vector_size": 64, "intermediate_latent_size": 64, "num_mapping_layers": 2,
                      "channel_base": 256, "channel_max": 64},
    ),
    "edm-3d": denoiser("edm", "thin", batch=2, groups=8),
    "edm-3d-mean-0.7": denoiser("edm", "thin", batch=2, groups=8, levels={"p_mean": -0.7}),
}  # fmt: skip

_EPSILON = {"prediction_type": "epsilon", "beta_schedule": "linear", "zero_terminal_snr": False, "sampler": "ddpm",
            "num_inference_steps": 100}  # fmt: skip

_EXISTING = Recipe(
    {"model_name": "ddpm", **_EPSILON, "ema_decay": 0.0, "gradient_clip_val": None,
     "optimizers": {"name": "adam", "lr": 1e-4, "weight_decay": 0.0},
     "architecture": {"num_channels": [32, 64, 64, 64], "attention_levels": [False, False, True, True],
                      "num_res_blocks": 2, "norm_num_groups": 32, "num_head_channels": 8}},
    32, cooldown=0.0,
)  # fmt: skip
"""The existing GaNDLF-Synth's default ddpm."""

_RIVALS = {
    # MONAI tutorials, generation/2d_ddpm and 3d_ddpm: network, rate and loss; 100 of their 1000 ancestral steps.
    "rival-monai": Recipe(
        {"model_name": "ddpm", **_EPSILON, "ema_decay": 0.0, "gradient_clip_val": None,
         "optimizers": {"name": "adam", "lr": 2.5e-5, "weight_decay": 0.0},
         "architecture": {"num_channels": [128, 256, 256], "attention_levels": [False, True, True], "num_res_blocks": 1,
                          "num_head_channels": 256, "norm_num_groups": 32}},
        32, cooldown=0.0,
    ),
    # MONAI tutorials, generation/3d_ldm: both networks, rates, weights and noise; 100 of their 1000 ancestral steps.
    "rival-monai-latent": Recipe(
        {"model_name": "latent_diffusion",
         "second_stage": {"model_name": "ddpm", **_EPSILON, "beta_schedule": "scaled_linear",
                          "architecture": {"num_channels": [32, 64, 64], "attention_levels": [False, True, True],
                                           "num_res_blocks": 1, "num_head_channels": 64, "norm_num_groups": 32}},
         "ema_decay": 0.0, "gradient_clip_val": None,
         "optimizers": {"name": "adam", "lr": 1e-4, "weight_decay": 0.0}},
        2, cooldown=0.0,
        first=Recipe(
            {"model_name": "autoencoder_kl", "kl_weight": 1e-6, "adversarial_weight": 0.01, "structure_weight": 0.0,
             "gradient_weight": 0.0, "adversarial_start_fraction": 0.05, "perceptual_network": PERCEPTUAL,
             "perceptual_weight": 0.001, "optimizers": {"name": "adam", "lr": 1e-4, "weight_decay": 0.0},
             "architecture": {"num_channels": [32, 64, 64], "latent_channels": 3, "num_res_blocks": 1,
                              "norm_num_groups": 16}},
            2, cooldown=0.0,
        ),
    ),
    # The same settings as the next two, for volumes: a thin network and few volumes in a batch.
    "rival-diffusers-3d": Recipe(
        {"model_name": "ddpm", **_EPSILON, "ema_decay": 0.9999,
         "optimizers": {"name": "adamw", "lr": 1e-4, "weight_decay": 0.01}, "architecture": unet("thin", 16)},
        4, warmup=0.05, cooldown=0.95,
    ),
    "rival-existing-3d": replace(_EXISTING, batch=4),
    # diffusers' training example: its optimizer, rates and objective on a U-Net that costs what ours does.
    "rival-diffusers": Recipe(
        {"model_name": "ddpm", **_EPSILON, "ema_decay": 0.9999,
         "optimizers": {"name": "adamw", "lr": 1e-4, "weight_decay": 0.01},
         "architecture": unet("medium", 32)},
        16, warmup=0.05, cooldown=0.95,
    ),
    "rival-existing": _EXISTING,
}  # fmt: skip

SETS: dict[str, dict[str, Recipe]] = {
    "ablation": _objectives() | _groups() | _batches_and_rates() | _depths() | _levels_and_samplers(),
    "few-images": _few_images(),
    "families-2d": _FAMILIES_2D,
    "families-3d": _FAMILIES_3D,
    "rivals": _RIVALS,
}
RECIPES: dict[str, Recipe] = {name: recipe for recipes in SETS.values() for name, recipe in recipes.items()}
