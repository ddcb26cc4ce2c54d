"""Training, reconstruction and sampling of ``autoencoder_kl`` (Rombach et al. 2022, arXiv 2112.10752)."""

from collections.abc import Sequence

import torch
from monai.networks import nets
from torch import Tensor, nn

from gandlf_synth.config import SamplingOptions, resolved
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.models.autoencoder_kl.config import AutoencoderKLArchitecture, AutoencoderKLConfig
from gandlf_synth.models.autoencoder_kl.prior import LatentGaussian
from gandlf_synth.models.base import ExportedNetwork
from gandlf_synth.models.components.first_stage import AutoencoderModule, apply_in_windows
from gandlf_synth.models.components.joining_discriminator import JoiningDiscriminatorModule
from gandlf_synth.models.components.patch_adversary import build_adversary, last_weight
from gandlf_synth.models.components.reconstruction_loss import ReconstructionLoss
from gandlf_synth.models.health import Symptom
from gandlf_synth.networks.autoencoder_kl import build_autoencoder
from gandlf_synth.networks.sizes import crop, pad_to_multiple, padded_shape

_COLLAPSED = 1.0
"""Divergence of an image's latents from the prior, in nats, below which they say nothing of it."""


class AutoencoderKL(JoiningDiscriminatorModule[AutoencoderKLConfig], AutoencoderModule[AutoencoderKLConfig]):
    """An encoder to a normal distribution of latents, and a decoder, trained with a patch discriminator."""

    def __init__(self, config: AutoencoderKLConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        architecture = resolved(config.architecture)
        self.stride = architecture.stride
        self.value_range = architecture.value_range
        self._check_tiles()
        self.autoencoder = _build_autoencoder(architecture, spec)
        self.adversary = build_adversary(
            config, spec, channels=architecture.discriminator_channels, num_layers=architecture.discriminator_num_layers
        )
        latent_size = (size // self.stride for size in padded_shape(spec.shape, self.stride))
        self.prior = LatentGaussian(spec.num_classes, (architecture.latent_channels, *latent_size))
        self.criterion = ReconstructionLoss(config, self.build_loss("generator"), spec.shape, spec.num_channels)
        self._nats: Tensor | None = None

    @property
    def generator_network(self) -> nn.Module:
        """The autoencoder."""
        network: nn.Module = self.autoencoder
        return network

    def networks_to_compile(self) -> Sequence[nn.Module]:
        """Return encoder, decoder and, where there is one, the discriminator."""
        return [self.autoencoder.encoder, self.autoencoder.decoder, *self.discriminators]

    def networks_to_shard(self) -> Sequence[nn.Module]:
        """Return the parts of the autoencoder that it calls and, where there is one, the discriminator."""
        return [*self.autoencoder.children(), *self.discriminators]

    def evaluation_loss(self, batch: Batch) -> Tensor:
        """Return the loss of the means of the latents, without the discriminator."""
        images = batch["image"]
        mean, sigma = self.autoencoder.encode(self._network_input(images))
        decoded = self._network_output(self.autoencoder.decode(mean))
        error: Tensor = self.criterion(crop(decoded, images.shape[2:]), images)
        return error + self.config.kl_weight * _kl_divergence(mean, sigma, images)

    def generator_loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the autoencoder's loss (2112.10752, eq. 25) and the reconstruction."""
        return self._loss(batch, fits_prior=True)

    def loss_of_subject(self, batch: Batch) -> Tensor:
        """Return the loss without fitting the prior, which would tell of latents; see ``GenerativeModule``."""
        return self._loss(batch, fits_prior=False)[0]

    def _loss(self, batch: Batch, *, fits_prior: bool) -> tuple[Tensor, Tensor]:
        images = batch["image"]
        output, mean, sigma = self.autoencoder(self._network_input(images))
        output = crop(self._network_output(output), images.shape[2:])
        if fits_prior:
            self.prior.fit(mean.detach(), sigma.detach(), batch["condition"].class_labels)
        divergence = _kl_divergence(mean, sigma, images)
        error: Tensor = self.criterion(output, images)
        loss = error + self._kl_weight() * divergence
        if self.with_discriminator and self.adversary is not None:
            loss = loss + self.adversary.verdict(output, error, last_weight(self.autoencoder.decoder))
        self._nats = divergence.detach() * images[0, 0].numel()
        values = {"train_kl": divergence, "posterior_std": sigma.mean(), "latent_std": mean.std()}
        self.log_dict(values, batch_size=len(images), on_step=False, on_epoch=True)
        return loss, output

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
        inputs = self._network_input(images)

        def encode(window: Tensor) -> Tensor:
            mean: Tensor = self.autoencoder.encode(window)[0]
            return mean

        return apply_in_windows(encode, inputs, config.tile_shape, config.tile_overlap_fraction)

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images of ``latents (batch, *latent_shape)``, in 32 bits; in windows where configured."""
        tile = self.config.tile_shape
        window = None if tile is None else [size // self.stride for size in tile]
        images = apply_in_windows(self.autoencoder.decode, latents, window, self.config.tile_overlap_fraction)
        return crop(self._network_output(images), self.spec.shape)

    def _network_input(self, images: Tensor) -> Tensor:
        """Return images in [-1, 1] in the values of the network, padded to a size that its stride divides."""
        low, high = self.value_range
        if (low, high) != (-1.0, 1.0):
            images = low + (images + 1) * ((high - low) / 2)
        return pad_to_multiple(images, self.stride)

    def _network_output(self, images: Tensor) -> Tensor:
        """Return images in the values of the network in [-1, 1], in 32 bits."""
        low, high = self.value_range
        return images.float() if (low, high) == (-1.0, 1.0) else (images.float() - low) * (2 / (high - low)) - 1

    def sample(self, seeds: Sequence[int], condition: Condition, options: SamplingOptions) -> Tensor:
        """Return one image per seed, from the Gaussian of the latents; see ``GenerativeModule.sample``."""
        return self.decode(self.prior.sample(seeds, condition.class_labels)).clamp(-1, 1)

    def symptoms(self) -> Sequence[Symptom] | None:
        """Return what is wrong: latents that say nothing of the image."""
        if self._nats is None or float(self._nats) >= _COLLAPSED:
            return []
        what = f"the latents hold next to nothing of an image ({float(self._nats):.2g} nats)"
        return [Symptom("posterior collapse", what, "lower kl_weight, or raise kl_warmup_fraction")]

    def _check_tiles(self) -> None:
        tile = self.config.tile_shape
        if tile and len(tile) != self.spec.spatial_dims:
            what = f"{tile} has {len(tile)} numbers, but images have {self.spec.spatial_dims} axes"
            raise ConfigError(Problem("model_config.tile_shape", what))


def _build_autoencoder(architecture: AutoencoderKLArchitecture, spec: DataSpec) -> nets.AutoencoderKL:
    return build_autoencoder(
        spatial_dims=spec.spatial_dims,
        channels=spec.num_channels,
        num_channels=architecture.num_channels,
        num_res_blocks=architecture.num_res_blocks,
        attention_levels=architecture.attention_levels,
        latent_channels=architecture.latent_channels,
        norm_num_groups=architecture.norm_num_groups,
        norm_eps=architecture.norm_eps,
        with_encoder_nonlocal_attn=architecture.with_encoder_nonlocal_attn,
        with_decoder_nonlocal_attn=architecture.with_decoder_nonlocal_attn,
        activation_checkpointing=architecture.activation_checkpointing,
        upsampling=architecture.upsampling,
    )


def _kl_divergence(mean: Tensor, sigma: Tensor, images: Tensor) -> Tensor:
    """Return KL(N(mean, sigma²) || N(0, 1)) (Kingma & Welling 2014, appendix B), summed per image, per image voxel."""
    mean, variance = mean.float(), sigma.float() ** 2
    nats = 0.5 * (mean**2 + variance - 1 - variance.clamp(min=1e-20).log())
    return nats.sum() / images[:, 0].numel()
