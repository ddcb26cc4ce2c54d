"""The networks that ``init`` writes into a new project: for every family, as large as the data and the device ask."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from gandlf_synth.training.defaults import Device

_WIDTHS = {("cpu", 2): (32, 64, 96), ("cpu", 3): (16, 32, 64), ("gpu", 2): (64, 128, 256), ("gpu", 3): (32, 64, 128)}
_DCGAN_CHANNELS = {("cpu", 2): (256, 32), ("cpu", 3): (128, 16), ("gpu", 2): (512, 64), ("gpu", 3): (256, 32)}
_STYLE_CHANNELS = {("cpu", 2): 128, ("cpu", 3): 64, ("gpu", 2): 512, ("gpu", 3): 256}
_FINEST_CHANNELS = {"cpu": 16, "gpu": 32}
_LONGEST_CODES = {2: 16, 3: 8}
_COARSEST_SIDES = range(4, 16)
_ATTENTION_AT = 32**2


@dataclass(frozen=True)
class Surroundings:
    """What a network is chosen for.

    Args:
        shape: voxels along each axis of what the network should see.
        device: what it will run on.
        epochs: of the run; None where they are not known yet.
    """

    shape: list[int]
    device: Device
    epochs: int | None = None

    @property
    def dims(self) -> int:
        """Spatial dimensions, 2 or 3."""
        return len(self.shape)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of a U-Net or an autoencoder at each resolution."""
        return _WIDTHS[self.device.kind, self.dims]

    @property
    def on_cpu(self) -> bool:
        """Whether the processor trains."""
        return self.device.kind == "cpu"


def network_lines(name: str, surroundings: Surroundings) -> list[str]:
    """Return the lines of ``model_config`` that describe the networks of a family, each with its reason.

    Args:
        name: the registered name of the family; of one that is not built in nothing is known, and nothing is written.
        surroundings: data, device and length of the run.

    Example:
        >>> print(network_lines("stylegan", Surroundings([64, 48], Device("cpu", 2**33, False)))[-1].split(" #")[0])
            progressive_layers_scaling_factors: [1, 1, 1/2, 1/4, 1/8]
    """
    choose = _FAMILIES.get(name.lower())
    return choose(surroundings) if choose else []


def line(key: str, value: object, comment: str = "") -> str:
    """Return ``key: value`` with a comment that stands under the others."""
    text = f"{key}: {value}"
    return text.ljust(42) + f" # {comment}" if comment else text


def _unet(data: Surroundings) -> list[str]:
    attention = [False, False, prod(length / 4 for length in data.shape) <= _ATTENTION_AT]
    return [
        "  architecture:",
        line("    num_channels", list(data.widths), f"per resolution; {_in_good_time(data)}"),
        line("    attention_levels", str(attention).lower()),
        line("    num_res_blocks", 1 if data.on_cpu else 2),
        line("    num_head_channels", data.widths[-1] // 2),
        line("    norm_num_groups", min(16, data.widths[0])),
        line("  optimizers", "{name: adamw, lr: 1e-3}" if data.on_cpu else "{name: adamw, lr: 3e-4}",
             "a higher rate for a short run; others: adam, lion, …"),
    ]  # fmt: skip


def _autoencoder(data: Surroundings) -> list[str]:
    return [
        "  architecture:",
        line("    num_channels", list(data.widths), f"latents are a quarter of the size; {_in_good_time(data)}"),
        line("    norm_num_groups", 16, "must divide every number of channels"),
    ]  # fmt: skip


def _latent_diffusion(data: Surroundings) -> list[str]:
    return [
        "  first_stage: # the autoencoder, trained first by the same command",
        "    model_name: autoencoder_kl",
        line("    architecture", f"{{num_channels: {list(data.widths)}, norm_num_groups: 16}}",
             "latents are a quarter of the size along each axis"),
    ]  # fmt: skip


def _vqvae(data: Surroundings) -> list[str]:
    longest, halvings = max(data.shape), 1
    while longest / 2**halvings > _LONGEST_CODES[data.dims]:
        halvings += 1
    first, most = (32, 64) if data.on_cpu else (64, 256)
    channels = [min(first * 2**level, most) for level in range(halvings)]
    grid = "×".join(str(-(-length // 2**halvings)) for length in data.shape)
    return [
        line("  losses", "{name: l1}", "mse, the default, is blurrier"),
        line("  structure_weight", 0.1, "1 - SSIM; 0: none"),
        line("  gradient_weight", 0.1, "keeps edges sharp; 0: none"),
        line("  optimizers", "{name: adamw, lr: 1e-3, weight_decay: 0.0}", "a higher rate for a short run"),
        "  architecture:",
        line("    num_channels_upsample_downsample_layers", channels, f"{grid} codes an image for the prior to learn"),
        line("    num_residual_channels", channels),
        line("    num_residual_layers", 1 if data.on_cpu else 2),
        line("    downsample_conv_parameters", [[2, 4, 1, 1]] * halvings, "stride, kernel, dilation, padding"),
        line("    upsample_conv_parameters", [[2, 4, 1, 1, 0]] * halvings, "and output padding"),
        line("    num_embeddings", 128 if data.on_cpu else 512, "different codes; 32, the default, leave out detail"),
        line("    embedding_dim", 32 if data.on_cpu else 64),
        line("    EMA_decay", 0.95, "of the codebook; 0.5, the default, forgets within a few steps"),
    ]  # fmt: skip


def _dcgan(data: Surroundings) -> list[str]:
    generator, discriminator = _DCGAN_CHANNELS[data.device.kind, data.dims]
    return [
        line("  diffaugment", "[translation]", "all that the discriminator sees is shifted, for few images; []: none"),
        "  architecture:",
        line("    init_channels_generator", generator, f"at 4 to 7 voxels a side, fewer above; {_in_good_time(data)}"),
        line("    init_channels_discriminator", discriminator, "at the full size, doubled at each coarser one"),
        line("    minibatch_std_group_size", 4, "lets the discriminator see variety, against mode collapse"),
    ]  # fmt: skip


def _stylegan2(data: Surroundings) -> list[str]:
    size, finest = (128 if data.on_cpu else 256), _FINEST_CHANNELS[data.device.kind]
    lines = [line("  path_length_weight", 0.0, "smoother styles, for long trainings: 2.0")] if data.on_cpu else []
    return [
        *lines,
        "  architecture:",
        line("    latent_vector_size", size),
        line("    intermediate_latent_size", size),
        line("    num_mapping_layers", 2 if data.on_cpu else 4, "2 where images are few, 8 in the paper"),
        line("    channel_base", finest * max(data.shape), f"{finest} channels at full size; {_in_good_time(data)}"),
        line("    channel_max", size, "at any size"),
    ]  # fmt: skip


def _stylegan(data: Surroundings) -> list[str]:
    longest = max(data.shape)
    start, stages = _progression(longest)
    last = f"{start * 2 ** (stages - 1)} in the last, for images of {longest}"
    channels = _STYLE_CHANNELS[data.device.kind, data.dims]
    factors = ["1" if stage < 2 else f"1/{2 ** (stage - 1)}" for stage in range(stages)]
    lines = [
        "  architecture:",
        line("    latent_vector_size", 128 if data.on_cpu else 512),
        line("    intermediate_latent_size", 128 if data.on_cpu else 512),
        line("    first_conv_channels", channels, f"at the coarsest sizes; {_in_good_time(data)}"),
        line("    progressive_size_starting_value", start, f"doubled in each stage: {last}"),
        line("    progressive_layers_scaling_factors", f"[{', '.join(factors)}]", "share of the channels by stage"),
    ]  # fmt: skip
    if data.epochs is None:
        return lines
    share = data.epochs / (stages + 1)
    epochs = [*[round(share, 2)] * (stages - 1), round(2 * share, 2)]
    return [*lines, line("    progressive_epochs", epochs, "all stages together last as long as the run")]


def _progression(longest: int) -> tuple[int, int]:
    """Return the side of the first stage and the number of stages that end nearest above ``longest``."""
    candidates = []
    for start in _COARSEST_SIDES:
        stages = 1
        while start * 2 ** (stages - 1) < longest:
            stages += 1
        candidates.append((start * 2 ** (stages - 1), start, stages))
    _, start, stages = min(candidates)
    return start, stages


def _in_good_time(data: Surroundings) -> str:
    return f"what a {data.device.kind.upper()} trains in good time"


_FAMILIES: dict[str, Callable[[Surroundings], list[str]]] = {
    "autoencoder_kl": _autoencoder,
    "dcgan": _dcgan,
    "ddpm": _unet,
    "flow_matching": _unet,
    "latent_diffusion": _latent_diffusion,
    "stylegan": _stylegan,
    "stylegan2": _stylegan2,
    "vqvae": _vqvae,
}
