"""The configuration of ``ddpm``; defaults of the architecture are those of the existing GaNDLF-Synth."""

from typing import Literal, Self

from pydantic import Field, model_validator

from gandlf_synth.config import ArchitectureConfig, Component, Components, ModelConfig


class DDPMArchitecture(ArchitectureConfig):
    """MONAI's DiffusionModelUNet; lists have one entry per resolution, from the finest to the coarsest."""

    num_res_blocks: list[int] | int = [2, 2, 2, 2]
    """Residual blocks at each resolution."""
    num_channels: list[int] = [32, 64, 64, 64]
    """Feature channels at each resolution."""
    attention_levels: list[bool] = [False, False, True, True]
    """Which resolutions have self-attention; its cost grows with the square of the number of voxels there."""
    norm_num_groups: int = Field(32, ge=1)
    """Groups of the group normalisation; must divide every entry of ``num_channels``."""
    norm_eps: float = Field(1e-6, gt=0)
    """Added to the variance in the group normalisation."""
    resblock_updown: bool = False
    """Change resolution in residual blocks instead of convolutions."""
    num_head_channels: int | list[int] = 8
    """Channels of each attention head; must divide ``num_channels`` where there is attention."""
    with_conditioning: bool = False
    """Condition by cross-attention to the class instead of adding the class to the timestep."""
    transformer_num_layers: int = Field(1, ge=1)
    """Layers of each cross-attention block."""
    cross_attention_dim: int | None = Field(None, ge=1)
    """Size of the class vector for cross-attention; absent: 64."""
    num_class_embeds: int | None = Field(None, ge=1)
    """Room for classes; absent: the classes of the data and one for none."""
    upcast_attention: bool = False
    """Compute attention in 32 bits whatever the precision."""
    cross_attention_dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout in cross-attention."""
    num_train_timesteps: int = Field(1000, ge=1)
    """Steps of the forward process."""
    num_eval_timesteps: int | None = Field(None, ge=1)
    """Steps of ancestral sampling, as in the existing GaNDLF-Synth; absent: the fast sampler's own."""

    @model_validator(mode="after")
    def _stages_agree(self) -> Self:
        levels = len(self.num_channels)
        if levels == 0:
            raise ValueError("num_channels must have at least one entry")
        for name in ("attention_levels", "num_res_blocks", "num_head_channels"):
            value = getattr(self, name)
            if isinstance(value, list) and len(value) != levels:
                raise ValueError(f"{name} has {len(value)} entries but num_channels has {levels}; they must be equal")
        return self

    @model_validator(mode="after")
    def _groups_divide(self) -> Self:
        for channels in self.num_channels:
            if channels % self.norm_num_groups:
                best = max(group for group in range(1, self.norm_num_groups + 1) if self._divides_all(group))
                raise ValueError(
                    f"norm_num_groups {self.norm_num_groups} does not divide num_channels {self.num_channels}; "
                    f"the nearest that does is {best}"
                )
        return self

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        heads = self.heads
        for channels, attends, size in zip(self.num_channels, self.attention_levels, heads, strict=True):
            if attends and (size < 1 or channels % size):
                raise ValueError(f"num_head_channels {size} does not divide the {channels} channels of its level")
        return self

    def _divides_all(self, group: int) -> bool:
        return all(channels % group == 0 for channels in self.num_channels)

    @property
    def heads(self) -> list[int]:
        """Channels of each attention head, per level."""
        single = isinstance(self.num_head_channels, int)
        return [self.num_head_channels] * len(self.num_channels) if single else list(self.num_head_channels)  # type: ignore[list-item, arg-type]


class DDPMConfig(ModelConfig):
    """The ``model_config`` section of ``ddpm``."""

    architecture: DDPMArchitecture = DDPMArchitecture()
    """The network and the length of the forward process."""
    losses: Components = Component(name="mse")
    """The error between the network's output and what it should predict."""
    optimizers: Components = Component.model_validate({"name": "adamw", "lr": 5e-4, "weight_decay": 0.01})
    """The optimizer."""
    gradient_clip_val: float | None = Field(1.0, gt=0)
    """Largest norm (or value) of the gradients."""
    prediction_type: Literal["epsilon", "sample", "v_prediction"] = "v_prediction"
    """What the network predicts: the noise, the clean image, or v."""
    beta_schedule: Literal["linear", "scaled_linear", "cosine", "sigmoid"] = "cosine"
    """How noise grows over the timesteps."""
    zero_terminal_snr: bool = True
    """End the forward process in pure noise, so that samples have the right brightness; not with ``epsilon``."""
    min_snr_gamma: float | None = Field(None, gt=0)
    """Limit on the weight of easy noise levels (5 is usual); absent: every level counts by its plain error."""
    label_dropout_fraction: float = Field(0.1, ge=0, lt=1)
    """Share of training samples whose class is hidden, for classifier-free guidance."""
    guidance_scale: float = Field(1.0, ge=0)
    """Strength of classifier-free guidance; 1 is the conditional model itself and the fastest."""
    guidance_interval: tuple[float, float] | None = None
    """Noise levels (sigma / signal, from above the first to the second) at which guidance acts; absent: all."""
    guidance_rescale: float = Field(0.0, ge=0, le=1)
    """How far guided outputs are scaled back to the spread of unguided ones; 0.7 is usual with strong guidance."""
    clip_sample: bool = True
    """Keep predicted images in the data's range while sampling."""
    sampler: Literal["ddim", "ddpm", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "heun"] | None = None
    """The solver; absent: ``ddim``, or ``ddpm`` (ancestral) where num_eval_timesteps is given."""
    num_inference_steps: int | None = Field(None, ge=1)
    """Denoising steps; absent: 50, or num_eval_timesteps where it is given."""

    @model_validator(mode="after")
    def _snr_fits_prediction(self) -> Self:
        written = "zero_terminal_snr" in self.model_fields_set
        if self.prediction_type == "epsilon" and self.zero_terminal_snr:
            if written:
                raise ValueError(
                    "zero_terminal_snr needs prediction_type v_prediction or sample: noise says nothing at zero SNR"
                )
            self.zero_terminal_snr = False
        return self
