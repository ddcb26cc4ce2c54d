"""Training and sampling of ``latent_diffusion`` (Rombach et al. 2022, arXiv 2112.10752, section 3.3)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from gandlf_synth.config import Phase, resolved
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.conditioners import ConditionPart
from gandlf_synth.data.loading.datamodule import SynthesisDataModule
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.mapped_images import MappedImages
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.diffusion.projection import Known
from gandlf_synth.errors import CheckpointError, Problem
from gandlf_synth.models.base import ExportedNetwork, GenerativeModule
from gandlf_synth.models.build import build_module
from gandlf_synth.models.components.build_process import build_process
from gandlf_synth.models.components.denoising import DenoisingModule
from gandlf_synth.models.components.first_stage import FirstStage
from gandlf_synth.models.latent_diffusion.config import LatentDiffusionConfig
from gandlf_synth.models.latent_diffusion.latent_conditions import latent_condition, latent_part
from gandlf_synth.models.latent_diffusion.latents import (
    LatentScale,
    cache_latents,
    draw_batches,
    read_batches,
)


class LatentDiffusion(DenoisingModule[LatentDiffusionConfig]):
    """A denoising process on the latents of a finished autoencoder, which stays as it is."""

    def __init__(self, config: LatentDiffusionConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        autoencoder = build_module(config.first_stage.model_copy(update={"lora": None, "freeze": []}), spec)
        if not isinstance(autoencoder, FirstStage):
            raise TypeError(f"{config.first_stage.model_name} has no latents")
        self.first_stage = autoencoder
        self.first_stage.requires_grad_(False).eval()
        channels = self.noise_shape[0]
        self.process = build_process(config.second_stage, self.build_loss(), spec, channels, self.parts)
        self.scale = LatentScale(spec.spatial_dims, channels)
        self._stored: dict[str, bool] = {}

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """``(latent channels, *latent size)``."""
        shape: tuple[int, ...] = self.first_stage.latent_shape
        return shape

    @property
    def parts(self) -> Sequence[ConditionPart]:
        """What the latents are conditioned on: images are encoded, so that they have other channels."""
        return [latent_part(part, self.spec.num_channels, self.noise_shape[0]) for part in self.spec.parts]

    def train(self, mode: bool = True) -> "LatentDiffusion":
        """Set the mode of the process; the autoencoder is never trained."""
        super().train(mode)
        self.first_stage.eval()
        return self

    def load_first_stage(self, trained: GenerativeModule) -> None:
        """Take over the weights of a trained autoencoder.

        Raises:
            CheckpointError: it is another kind of model, or was made for other images.
        """
        problems = []
        if trained.config.model_name != self.first_stage.config.model_name:
            what = f"is a {trained.config.model_name!r} model, not {self.first_stage.config.model_name!r}"
            problems.append(Problem("first stage", what, fix="write its section in model_config.first_stage"))
        for name in ("shape", "num_channels", "labels"):
            before, now = getattr(trained.spec, name), getattr(self.spec, name)
            if before != now:
                problems.append(Problem("first stage", f"was trained on data with {name} = {before}, not {now}"))
        if not problems:
            try:
                self.first_stage.load_state_dict(trained.state_dict())
            except RuntimeError as error:
                problems.append(Problem("first stage", f"has another architecture: {str(error).splitlines()[1]}"))
        if problems:
            raise CheckpointError(*problems)

    def on_fit_start(self) -> None:
        """Make the latents of the images that never change, and measure their scale."""
        data: SynthesisDataModule = self.trainer.datamodule
        phases: tuple[Phase, ...] = ("train", "val")
        made: dict[Phase, MappedImages | None] = {}
        for phase in phases:
            if not data.has(phase):
                continue
            latents = cache_latents(data.dataset(phase), self._encode, self.noise_shape, self.first_stage, self.trainer)
            made[phase] = latents
            self._stored[phase] = latents is not None and data.show(phase, latents)
        stored = made["train"]
        batches = read_batches(stored) if stored is not None else draw_batches(data.dataset("train"), self._encode)
        if self.scale.measured:
            self.scale.check(batches)
        else:
            self.scale.measure(batches)

    def encode(self, batch: Batch, phase: Phase) -> Tensor:
        """Return the scaled latents of a batch; those that were made already are loaded in the images' place."""
        if self._stored.get(phase):
            return self.scale.scaled(batch["image"])
        return self.scale.scaled(self._encode(batch["image"]))

    def encode_condition(self, condition: Condition) -> Condition:
        """Return what images are made from on the grid of the latents."""
        stride: int = resolved(self.config.first_stage.architecture).stride  # type: ignore[attr-defined]

        def encode(images: Tensor) -> Tensor:
            return self.scale.scaled(self._encode(images))

        return latent_condition(condition, self.spec.parts, self.spec.num_channels, stride, encode)

    def encode_known(self, known: Known) -> Known:
        """Return the latents of what is known; those that a voxel of the region has a part in are made anew."""
        latents = self.scale.scaled(self._encode(known.clean))
        stride: int = resolved(self.config.first_stage.architecture).stride  # type: ignore[attr-defined]
        pool = functional.max_pool2d if self.spec.spatial_dims == 2 else functional.max_pool3d
        region = pool(known.region.float(), stride, stride, ceil_mode=True)
        return Known(latents, region > 0)

    def decode(self, sample: Tensor) -> Tensor:
        """Return the images of scaled latents."""
        images: Tensor = self.first_stage.decode(self.scale.unscaled(sample))
        return images

    @torch.no_grad()
    def _encode(self, images: Tensor) -> Tensor:
        """Return the latents of ``images``, in whose channels sources may follow."""
        images = images[:, : self.spec.num_channels]
        with torch.autocast(self.device.type, enabled=False):
            latents: Tensor = self.first_stage.encode_mean(images.to(self.device)).float()
        return latents

    def export_networks(self) -> dict[str, ExportedNetwork]:
        """Return the denoiser of the scaled latents, and the autoencoder's networks."""
        return {**super().export_networks(), **self.first_stage.export_networks()}
