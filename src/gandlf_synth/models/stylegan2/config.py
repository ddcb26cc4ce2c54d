"""The configuration of ``stylegan2``."""

from math import lcm
from typing import ClassVar

from pydantic import Field

from gandlf_synth.config import THIN, ArchitectureConfig, Component, Components, Setting, Size, Sized
from gandlf_synth.models.components.gan_config import GANConfig, adam_without_decay

_WIDTHS: dict[Size, tuple[int, int]] = {
    "XS": (64, 8), "S": (128, 16), "M": (192, 24), "L": (256, 32), "XL": (512, 64),
}  # fmt: skip
"""Most feature channels at any resolution, and those at the finest."""


class StyleGAN2Architecture(ArchitectureConfig):
    """Mapping network, synthesis network with skip connections, residual discriminator."""

    latent_vector_size: int = Field(256, ge=1)
    """Numbers from which an image is made."""
    intermediate_latent_size: int = Field(256, ge=1)
    """Size of a style."""
    num_mapping_layers: int = Field(4, ge=1)
    """Layers from latent vector to style; 8 in the paper, 2 where images are few."""
    channel_base: int = Field(4096, ge=1)
    """Feature channels at a resolution are ``channel_base`` divided by its longest side; 32768 in the paper."""
    channel_max: int = Field(256, ge=1)
    """Most feature channels at any resolution."""
    noise_inputs: bool = True
    """Whether every layer of the generator adds noise, as in the paper; without, the style decides every voxel, and a
    short training cannot make up texture from noise."""
    minibatch_std_group_size: int = Field(4, ge=1)
    """Images whose variety the discriminator sees together."""


class StyleGAN2Config(GANConfig):
    """The ``model_config`` section of ``stylegan2``."""

    equalized: ClassVar[bool] = True

    architecture: Sized[StyleGAN2Architecture] = "auto"
    """The networks, or their size; ``auto``: for data, device and time."""
    losses: Components = Component(name="bcelogits")
    """The loss of the discriminator's scores; bcelogits is the non-saturating logistic loss of the paper."""
    optimizers: Components = adam_without_decay(lr=2.5e-3, betas=(0.0, 0.99))
    """The optimizer of both networks, or one for each; learning rates are for equalized weights, which decay
    (coupled ``weight_decay``) would pull harder than the gradient does."""
    ema_decay: float = Field(0.998, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, warmed up; samples come from the average. 0: off."""
    r1_gamma: float | None = Field(None, ge=0)
    """Weight of the gradient penalty on real images; absent: 0.0002 · voxels / images of a step, in all processes
    together (ADA, appendix D)."""
    r1_interval: int = Field(16, ge=1)
    """Steps from one gradient penalty to the next; the penalty counts that much more."""
    path_length_weight: float = Field(2.0, ge=0)
    """Weight of the path-length regularization; 0: none."""
    path_length_interval: int = Field(8, ge=1)
    """Steps from one path-length regularization to the next; it counts that much more."""
    path_length_decay: float = Field(0.99, ge=0, lt=1)
    """Decay of the running mean of path lengths."""
    style_mixing_probability: float = Field(0.9, ge=0, le=1)
    """How often a training batch changes from one style to another at a random layer."""
    truncation_psi: float = Field(1.0, ge=0)
    """How far styles may be from the mean one when sampling; below 1: more typical images, less variety."""
    augmentation_target: float | None = Field(0.6, gt=0, lt=1)
    """Overfitting at which augmentation holds its strength, the mean sign of real scores; absent: fixed strength."""
    augmentation_probability: float = Field(0.0, ge=0, le=1)
    """Probability of each augmentation at the beginning."""
    augmentation_images: int | None = Field(None, ge=1)
    """Images over which the probability may go from 0 to 1; absent: a quarter of those that the run shows. It never
    rises above 0.8, where changed images begin to pass for real ones (2006.06676, sec. 2.2)."""
    augmentation_mirrors: bool = False
    """Whether left and right may be exchanged (along the first axis of the image); never upside down."""
    augmentation_rotation_degrees: float = Field(0.0, ge=0, le=180)
    """Largest rotation, such as 7; it blurs what the discriminator sees, which then lets checkerboards pass."""
    augmentation_translation: float = Field(0.08, ge=0, lt=1)
    """Largest shift, as a share of each side."""

    @property
    def work_cycle(self) -> int:
        """Steps after which both penalties fall together again."""
        r1 = self.r1_interval if self.r1_gamma != 0 else 1
        return lcm(r1, self.path_length_interval if self.path_length_weight else 1)

    def choose_networks(self, setting: Setting, size: Size) -> dict[str, object]:
        """Return both networks; thin ones, for short trainings, without the path-length regularization."""
        most, finest = _WIDTHS[size]
        architecture = {
            "latent_vector_size": most,
            "intermediate_latent_size": most,
            "num_mapping_layers": 2 if size in THIN else 4,
            "channel_base": finest * setting.longest,
            "channel_max": most,
        }
        keys: dict[str, object] = {"architecture": architecture}
        return keys | {"path_length_weight": 0.0} if size in THIN else keys
