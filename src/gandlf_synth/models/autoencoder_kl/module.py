"""Training, reconstruction and sampling of ``autoencoder_kl`` (Rombach et al. 2022, arXiv 2112.10752)."""

from collections.abc import Sequence
from typing import Any

import torch
from monai.losses.adversarial_loss import PatchAdversarialLoss
from torch import Tensor, nn

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.models.autoencoder_kl.config import AutoencoderKLConfig
from gandlf_synth.models.autoencoder_kl.prior import LatentGaussian
from gandlf_synth.models.base import ExportedNetwork, SamplingOptions
from gandlf_synth.models.components.first_stage import cropped, padded, padded_shape, tiled
from gandlf_synth.models.components.multi_optimizer import AdversarialModule
from gandlf_synth.models.components.reconstruction_loss import ReconstructionError
from gandlf_synth.models.health import Symptom
from gandlf_synth.networks.patch_discriminator import build_autoencoder, build_discriminator

_COLLAPSED = 1.0
"""Divergence of an image's latents from the prior, in nats, below which they say nothing of it."""


class AutoencoderKL(AdversarialModule[AutoencoderKLConfig]):
    """An encoder to a normal distribution of latents, and a decoder, trained with a patch discriminator."""

    adversarial: Tensor

    def __init__(self, config: AutoencoderKLConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        architecture = config.architecture
        self.stride = architecture.stride
        self._check_tiles()
        inner = padded_shape(spec.shape, self.stride)
        self.autoencoder = build_autoencoder(architecture, spec.spatial_dims, spec.num_channels)
        self.discriminator = None
        if config.adversarial_weight > 0:
            shape = spec.shape
            self.discriminator = build_discriminator(architecture, spec.spatial_dims, spec.num_channels, shape)
        self.prior = LatentGaussian(
            spec.num_classes, (architecture.latent_channels, *(size // self.stride for size in inner))
        )
        self.criterion = ReconstructionError(config, self.build_loss("generator"), spec.shape)
        self.verdict = _PatchAdversarialLoss(criterion=config.adversarial_loss)
        self.register_buffer("adversarial", torch.tensor(False))
        self._nats: Tensor | None = None
        self._judged: bool | None = None

    def network(self, name: str) -> nn.Module:
        """Return the autoencoder as ``generator``, or the ``discriminator``."""
        part: nn.Module = self.autoencoder if name == "generator" else self.discriminator or nn.Module()
        return part

    def networks_to_compile(self) -> Sequence[nn.Module]:
        """Return encoder, decoder and, where there is one, the discriminator."""
        networks = (self.autoencoder.encoder, self.autoencoder.decoder, self.discriminator)
        return [network for network in networks if network is not None]

    def check_components(self) -> None:
        """Build what training needs once, the perceptual term too; see ``GenerativeModule.check_components``."""
        super().check_components()
        self.criterion.check()

    def _optimizers(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        names = self.config.networks if self.discriminator is not None else self.config.networks[:1]
        for name in names:
            made[name] = self._optimizer_of(name)
        return made

    def on_train_epoch_start(self) -> None:
        """Decide, for all processes alike, whether the discriminator takes part in this epoch."""
        due = self.discriminator is not None and self.epoch_progress >= self.config.adversarial_start_fraction
        self._judged = bool(self.trainer.strategy.broadcast(due))
        self.adversarial.fill_(self._judged)

    @property
    def judged(self) -> bool:
        """Whether the discriminator takes part at present."""
        # The buffer is for checkpoints: asking it waits for the GPU.
        return bool(self.adversarial) if self._judged is None else self._judged

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Take a step of the autoencoder, and one of the discriminator when it takes part."""
        images = batch["image"]
        made: list[Tensor] = []
        loss = self.update("generator", lambda: self._generator_loss(batch, made), batch_idx)
        if self.judged:
            verdict = self.update("discriminator", lambda: self._discriminator_loss(images, made[0]), batch_idx)
            self.log("train_discriminator_loss", verdict, batch_size=len(images), on_step=False, on_epoch=True)
        self.log_loss("train", loss, batch)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss without noise and discriminator, so that epochs can be compared."""
        self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss on the test split."""
        self._evaluate("test", batch)

    def _evaluate(self, phase: str, batch: Batch) -> None:
        images = batch["image"]
        mean, sigma = self.autoencoder.encode(padded(images, self.stride))
        error: Tensor = self.criterion(cropped(self.autoencoder.decode(mean), images.shape[2:]).float(), images)
        self.log_loss(phase, error + self.config.kl_weight * _divergence(mean, sigma, images), batch)

    def _generator_loss(self, batch: Batch, made: list[Tensor]) -> Tensor:
        images = batch["image"]
        output, mean, sigma = self.autoencoder(padded(images, self.stride))
        output = cropped(output, images.shape[2:]).float()
        made.append(output.detach())
        self.prior.fit(mean.detach(), sigma.detach(), batch["condition"].class_labels)
        divergence = _divergence(mean, sigma, images)
        loss: Tensor = self.criterion(output, images) + self._kl_weight() * divergence
        if self.judged and self.discriminator is not None:
            scores = self.discriminator(output)[-1].float()
            fooled: Tensor = self.verdict(scores, target_is_real=True, for_discriminator=False)
            loss = loss + self.config.adversarial_weight * fooled
        self._nats = divergence.detach() * images[0, 0].numel()
        values = {"train_kl": divergence, "posterior_std": sigma.mean(), "latent_std": mean.std()}
        self.log_dict(values, batch_size=len(images), on_step=False, on_epoch=True)
        return loss

    def _discriminator_loss(self, images: Tensor, made: Tensor) -> Tensor:
        if self.discriminator is None:
            raise ConfigError(Problem("model_config.adversarial_weight", "is 0", "above 0"))
        # One pass over both keeps DistributedDataParallel's view of the weights whole.
        real, fake = self.discriminator(torch.cat([images, made]))[-1].float().chunk(2)
        right: Tensor = self.verdict(real, target_is_real=True, for_discriminator=True)
        wrong: Tensor = self.verdict(fake, target_is_real=False, for_discriminator=True)
        return (right + wrong) / 2

    def _kl_weight(self) -> float:
        warmup = self.config.kl_warmup_fraction
        return self.config.kl_weight * (min(1.0, self.training_progress / warmup) if warmup else 1.0)

    def export_networks(self) -> dict[str, ExportedNetwork]:
        """Return encoder (to the means) and decoder, for images whose size the network's stride divides."""
        network = self.autoencoder.eval()
        images = torch.randn(2, self.spec.num_channels, *padded_shape(self.spec.shape, self.stride))
        latents = torch.randn(2, *self.latent_shape)
        return {
            "encoder": ExportedNetwork(nn.Sequential(network.encoder, network.quant_conv_mu), (images,)),
            "decoder": ExportedNetwork(nn.Sequential(network.post_quant_conv, network.decoder), (latents,)),
        }

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """``(latent channels, *latent size)``."""
        return self.prior.shape

    def encode_mean(self, images: Tensor) -> Tensor:
        """Return the means of the posteriors, ``(batch, *latent_shape)``; in windows where configured."""
        config = self.config
        inputs = padded(images, self.stride)
        return tiled(lambda part: self.autoencoder.encode(part)[0], inputs, config.tile_shape, self._overlap)

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images of ``latents (batch, *latent_shape)``, in 32 bits; in windows where configured."""
        tile = self.config.tile_shape
        window = None if tile is None else [size // self.stride for size in tile]
        images = tiled(self.autoencoder.decode, latents, window, self._overlap)
        return cropped(images, self.spec.shape).float()

    @property
    def _overlap(self) -> float:
        return self.config.tile_overlap_fraction

    def reconstruct(self, images: Tensor, condition: Condition) -> Tensor:
        """Return ``images`` encoded to the mean and decoded, in [-1, 1]."""
        return self.decode(self.encode_mean(images)).clamp(-1, 1)

    def sample(self, seeds: Sequence[int], condition: Condition, options: SamplingOptions) -> Tensor:
        """Return one image per seed, from the Gaussian of the latents; see ``GenerativeModule.sample``."""
        return self.decode(self.prior.sample(seeds, condition.class_labels)).clamp(-1, 1)

    def symptoms(self) -> Sequence[Symptom] | None:
        """Return what is wrong: latents that say nothing of the image."""
        if self._nats is None or float(self._nats) >= _COLLAPSED:
            return []
        what = f"the latents say {float(self._nats):.2g} nats of an image, next to nothing"
        return [Symptom("posterior collapse", what, "lower kl_weight, or raise kl_warmup_fraction")]

    def _check_tiles(self) -> None:
        tile = self.config.tile_shape
        if tile and len(tile) != self.spec.spatial_dims:
            what = f"{tile} has {len(tile)} numbers, but images have {self.spec.spatial_dims} axes"
            raise ConfigError(Problem("model_config.tile_shape", what))


def _divergence(mean: Tensor, sigma: Tensor, images: Tensor) -> Tensor:
    """Return KL(N(mean, sigma²) || N(0, 1)) (Kingma & Welling 2014, appendix B), summed per image, per image voxel."""
    mean, variance = mean.float(), sigma.float() ** 2
    each = 0.5 * (mean**2 + variance - 1 - variance.clamp(min=1e-20).log())
    return each.sum() / images[:, 0].numel()


class _PatchAdversarialLoss(PatchAdversarialLoss):  # type: ignore[misc, unused-ignore]
    """MONAI's, with targets made where the scores are: copies from the CPU wait for the GPU."""

    def get_target_tensor(self, input: Tensor, target_is_real: bool) -> Tensor:  # noqa: A002
        return torch.full_like(input, self.real_label if target_is_real else self.fake_label)

    def get_zero_tensor(self, input: Tensor) -> Tensor:  # noqa: A002
        return torch.zeros_like(input)
