"""The configuration of ``dcgan``; defaults of the vocabulary's keys are those of the existing GaNDLF-Synth."""

from typing import Literal

from pydantic import Field

from gandlf_synth.config import THIN, ArchitectureConfig, Component, Components, Setting, Size, Sized, resolved
from gandlf_synth.models.components.gan_config import GANConfig, adam_without_decay

Norm = Literal["batch", "group", "none"]
_CHANNELS: dict[int, dict[Size, tuple[int, int]]] = {
    2: {"XS": (128, 16), "S": (256, 32), "M": (512, 64), "L": (768, 96), "XL": (1024, 128)},
    3: {"XS": (64, 8), "S": (128, 16), "M": (256, 32), "L": (384, 48), "XL": (512, 64)},
}
"""Of the generator at its coarsest resolution, and of the discriminator at its finest."""
_RATE_OF_THIN = 5e-4
"""Thin networks, which short trainings have, learn faster."""


class DCGANArchitecture(ArchitectureConfig):
    """Both networks halve or double the size at each resolution, down to 4 to 7 voxels along the longest side."""

    latent_vector_size: int = Field(100, ge=1)
    """Numbers from which an image is made."""
    init_channels_discriminator: int = Field(64, ge=1)
    """Feature channels of the discriminator at its finest resolution."""
    init_channels_generator: int = Field(512, ge=1)
    """Feature channels of the generator at its coarsest resolution."""
    growth_rate_discriminator: float = Field(2, ge=1)
    """Factor of the discriminator's channels from one resolution to the next coarser."""
    growth_rate_generator: float = Field(2, ge=1)
    """Divisor of the generator's channels from one resolution to the next finer."""
    leaky_relu_slope: float = Field(0.2, ge=0, lt=1)
    """Slope of the discriminator's activation below zero."""
    upsampling: Literal["transposed", "linear"] = "transposed"
    """How the generator doubles the size: transposed convolutions as in the paper, or convolutions and interpolation,
    which are faster and leave no checkerboard in a short training."""
    generator_norm: Norm = "batch"
    """Normalization in the generator; ``group`` also works with a batch of one."""
    discriminator_norm: Norm | None = None
    """Normalization in the discriminator; absent: ``batch``, or ``none`` with spectral_norm or r1_gamma."""
    norm_num_groups: int = Field(8, ge=1)
    """Groups of ``group``; must divide every number of channels that is normalized."""
    minibatch_std_group_size: int = Field(0, ge=0)
    """Images whose variety the discriminator sees together, against mode collapse (Karras et al. 2017); 0: none."""
    spectral_norm: bool = False
    """Divide the discriminator's weights by their largest singular value (Miyato et al. 2018)."""


class DCGANConfig(GANConfig):
    """The ``model_config`` section of ``dcgan``."""

    architecture: Sized[DCGANArchitecture] = "auto"
    """The two networks, or their size; ``auto``: for data, device and time."""
    losses: Components = Component(name="bcelogits")
    """The loss of the scores: bcelogits, hinge, bce, mse (least squares), plain_mean (Wasserstein)."""
    optimizers: Components = adam_without_decay(lr=2e-4, betas=(0.5, 0.999))
    """The optimizer of both networks, or one for each."""
    ema_decay: float = Field(0.995, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, warmed up; samples come from the average. 0: off."""
    r1_gamma: float = Field(0.0, ge=0)
    """Weight of the gradient penalty on real images (Mescheder et al. 2018); 0: none."""
    r1_interval: int = Field(4, ge=1)
    """Steps from one gradient penalty to the next; the penalty counts that much more."""
    diffaugment: list[Literal["brightness", "contrast", "translation", "cutout"]] = []
    """Random operations on all that the discriminator sees (Zhao et al. 2020); with few images, a great help."""

    @property
    def discriminator_norm(self) -> Norm:
        """The discriminator's normalization, as written or by default."""
        architecture: DCGANArchitecture = resolved(self.architecture)
        if architecture.discriminator_norm is not None:
            return architecture.discriminator_norm
        return "none" if architecture.spectral_norm or self.r1_gamma else "batch"

    @property
    def work_cycle(self) -> int:
        """Steps from one gradient penalty to the next."""
        return self.r1_interval if self.r1_gamma else 1

    def choose_networks(self, setting: Setting, size: Size) -> dict[str, object]:
        """Return both networks, shifts of what the discriminator sees (medical images are few), and a rate."""
        generator, discriminator = _CHANNELS[setting.dims][size]
        architecture = {
            "init_channels_generator": generator,
            "init_channels_discriminator": discriminator,
            "minibatch_std_group_size": 4,
        }
        keys: dict[str, object] = {"architecture": architecture, "diffaugment": ["translation"]}
        thin = adam_without_decay(lr=_RATE_OF_THIN, betas=(0.5, 0.999))
        return keys | {"optimizers": thin} if size in THIN else keys
