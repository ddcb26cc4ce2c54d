"""Training, reconstruction and sampling of ``vqvae`` (van den Oord et al. 2017, arXiv 1711.00937)."""

from collections.abc import Sequence

import torch
from monai.networks import nets
from torch import Tensor, distributed, nn
from torch.optim import Optimizer

from gandlf_synth.config import SamplingOptions, resolved
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.models.components.first_stage import AutoencoderModule
from gandlf_synth.models.components.patch_adversary import build_adversary, last_weight
from gandlf_synth.models.components.reconstruction_loss import ReconstructionLoss
from gandlf_synth.models.health import Symptom
from gandlf_synth.models.vqvae.config import VQVAEArchitecture, VQVAEConfig
from gandlf_synth.networks.code_prior import CodePrior
from gandlf_synth.networks.codebook import Codebook, perplexity
from gandlf_synth.networks.masked_code_prior import MaskedCodePrior
from gandlf_synth.networks.sizes import crop, pad_to_multiple, padded_shape
from gandlf_synth.networks.vqvae import build_vqvae

_REVIVE_EVERY = 20
_COLLAPSED = 0.1


class VQVAE(AutoencoderModule[VQVAEConfig]):
    """An autoencoder whose latents are codes, then a prior that learns them.

    ``val_loss`` is the error of the reconstruction, and, while the prior learns, the likelihood of the codes on top.
    """

    with_autoencoder: Tensor
    with_prior: Tensor

    def __init__(self, config: VQVAEConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        architecture = resolved(config.architecture)
        self.autoencoder = _build_autoencoder(architecture, spec)
        self.codebook = Codebook(self.autoencoder.quantizer.quantizer)
        self.grid = tuple(size // architecture.stride for size in padded_shape(spec.shape, architecture.stride))
        self.prior = _build_prior(architecture, self.grid, spec.num_classes)
        self.criterion = ReconstructionLoss(config, self.build_loss("model"), spec.shape, spec.num_channels)
        self.adversary = build_adversary(
            config, spec, channels=architecture.discriminator_channels, num_layers=architecture.discriminator_num_layers
        )
        self.register_buffer("with_autoencoder", torch.tensor(True))
        self.register_buffer("with_prior", torch.tensor(config.prior_fraction == 1))
        self._usage: Tensor | None = None
        self._learning: tuple[bool, bool] | None = None
        self._with_discriminator = False

    @property
    def val_loss_comparable(self) -> bool:
        """Whether the prior learns already, if it ever will."""
        return self.learning[1] or self.config.prior_fraction == 0

    def network(self, name: str) -> nn.Module:
        """Return the autoencoder as ``model``, the ``prior`` or the ``discriminator``."""
        networks: dict[str, nn.Module] = {
            "model": self.autoencoder,
            "prior": self.prior,
            "discriminator": self.adversary or nn.Module(),
        }
        return networks[name]

    def networks_to_compile(self) -> Sequence[nn.Module]:
        """Return encoder, decoder, the prior's network and, where there is one, the discriminator."""
        discriminators = [] if self.adversary is None else [self.adversary.discriminator]
        return [self.autoencoder.encoder, self.autoencoder.decoder, self.prior.network, *discriminators]

    def networks_to_shard(self) -> Sequence[nn.Module]:
        """Return encoder, decoder, the prior's network and, where there is one, the discriminator."""
        return self.networks_to_compile()

    @property
    def differentiates_twice(self) -> bool:
        """Whether the weight of a discriminator is found by two gradients."""
        return self.adversary is not None

    def _optimizers(self) -> dict[str, Optimizer]:
        names = self.config.networks if self.adversary is not None else self.config.networks[:2]
        return {name: self._optimizer_of(name) for name in names}

    def learning_span(self, network: str) -> tuple[float, float]:
        """Return the time of the autoencoder, of its discriminator or, at the end of the training, of the prior."""
        fraction = self.config.prior_fraction
        end = 1.0 if fraction in (0, 1) else 1 - fraction
        if network == "prior":
            return (0.0, 1.0) if end == 1 else (end, 1.0)
        start = self.config.adversarial_start_fraction if network == "discriminator" else 0.0
        return (start * end, end) if start < 1 else (0.0, end)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Decide which of the two learns; only where no gradients wait for a step."""
        if batch_idx % self.config.accumulate_grad_batches:
            return
        fraction = self.config.prior_fraction
        with_prior = fraction > 0 and self.progress_before(batch_idx) >= 1 - fraction
        learning = (not with_prior or fraction == 1, with_prior)
        if learning != self._learning:
            self._learning = learning
            self.with_autoencoder.fill_(learning[0])
            self.with_prior.fill_(with_prior)
        start = self.config.adversarial_start_fraction
        begun = start < 1 and self.progress_before(batch_idx) >= self.learning_span("discriminator")[0]
        self._with_discriminator = learning[0] and begun and self.adversary is not None

    @property
    def learning(self) -> tuple[bool, bool]:
        """Whether the autoencoder learns at present, and whether the prior does."""
        # The buffers are for checkpoints: asking them waits for the GPU.
        return self._learning or (bool(self.with_autoencoder), bool(self.with_prior))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Take a step of the autoencoder and its discriminator, of the prior, or of both."""
        losses = []
        autoencoder, prior = self.learning
        if autoencoder:
            with self.freeze_others("model"):
                loss, reconstruction = self._autoencoder_loss(batch, batch_idx)
                losses.append(self.update("model", loss, batch_idx))
            if self._with_discriminator and self.adversary is not None:
                with self.freeze_others("discriminator"):
                    verdict = self.adversary.discriminator_loss(batch["image"], reconstruction.detach())
                    self.log(
                        "train_discriminator_loss",
                        self.update("discriminator", verdict, batch_idx),
                        on_epoch=True,
                        on_step=False,
                        batch_size=len(batch["image"]),
                    )
        if prior:
            with self.freeze_others("prior"):
                losses.append(self.update("prior", self._prior_loss(batch), batch_idx))
        loss = torch.stack(losses).sum()
        self.log_loss("train", loss, batch)
        return loss

    def evaluation_loss(self, batch: Batch) -> Tensor:
        """Return the error of the reconstruction and, while it learns, the prior's."""
        images = batch["image"]
        loss: Tensor = self.criterion(self.decode(self.encode_mean(images)), images)
        return loss + self._prior_loss(batch) if self.learning[1] else loss

    def _autoencoder_loss(self, batch: Batch, batch_idx: int) -> tuple[Tensor, Tensor]:
        """Return the autoencoder's loss and the reconstruction."""
        images = batch["image"]
        vectors = self._encode(images)
        if batch_idx % _REVIVE_EVERY == 0:
            self.codebook.revive(vectors, self._broadcast)
        quantized, commitment, codes = self.codebook(vectors)
        output = crop(self.autoencoder.decode(quantized), images.shape[2:]).float()
        self._usage = self.codebook.usage()
        values = {
            "perplexity": perplexity(codes, resolved(self.config.architecture).num_embeddings),
            "codebook_usage": self._usage,
        }
        self.log_dict(values, batch_size=len(images), on_step=False, on_epoch=True)
        error: Tensor = self.criterion(output, images)
        loss = error + commitment
        if self._with_discriminator and self.adversary is not None:
            loss = loss + self.adversary.verdict(output, error, last_weight(self.autoencoder.decoder))
        return loss, output

    def _broadcast(self, values: Tensor) -> Tensor:
        """Return the first process's ``values``; Lightning's ``broadcast`` would pickle them with their device."""
        if self.trainer.world_size > 1:
            distributed.broadcast(values, 0)
        return values

    def _prior_loss(self, batch: Batch) -> Tensor:
        with torch.no_grad():
            codes = self.codebook.codes(self._encode(batch["image"]))
        return self.prior.loss(codes, batch["condition"].class_labels)

    def _encode(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.autoencoder.encode(pad_to_multiple(images, resolved(self.config.architecture).stride))
        return vectors

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """``(embedding_dim, *grid)``."""
        return (resolved(self.config.architecture).embedding_dim, *self.grid)

    def encode_mean(self, images: Tensor) -> Tensor:
        """Return the encoder's vectors before quantization, ``(batch, *latent_shape)``."""
        return self._encode(images).float()

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images of ``latents (batch, *latent_shape)``, quantized first, in 32 bits."""
        quantized = self.codebook.embed(self.codebook.codes(latents))
        return crop(self.autoencoder.decode(quantized), self.spec.shape).float()

    def sample(self, seeds: Sequence[int], condition: Condition, options: SamplingOptions) -> Tensor:
        """Return one image per seed, from codes that the prior draws; see ``GenerativeModule.sample``."""
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        how = (condition.class_labels, generators, self.config.temperature, self.config.top_k)
        if isinstance(self.prior, MaskedCodePrior):
            steps, choice = self._num_steps(options), self.config.choice_temperature
            codes = self.prior.sample(*how, num_steps=steps, choice_temperature=choice)
        else:
            codes = self.prior.sample(*how)
        images = self.autoencoder.decode(self.codebook.embed(codes))
        return crop(images, self.spec.shape).float().clamp(-1, 1)

    def sampling_defaults(self, options: SamplingOptions) -> dict[str, object]:
        """Return how codes are drawn, for the record."""
        drawn: dict[str, object] = {"temperature": self.config.temperature, "top_k": self.config.top_k}
        if isinstance(self.prior, MaskedCodePrior):
            steps, choice = self._num_steps(options), self.config.choice_temperature
            drawn |= {"num_inference_steps": steps, "choice_temperature": choice}
        return drawn

    def _num_steps(self, options: SamplingOptions) -> int:
        return options.num_inference_steps or self.config.num_inference_steps

    def symptoms(self) -> Sequence[Symptom] | None:
        """Return what is wrong: a codebook of which next to nothing is used."""
        if self._usage is None or float(self._usage) >= _COLLAPSED:
            return []
        what = f"{100 * float(self._usage):.0f} % of the codes are in use"
        return [Symptom("codebook collapse", what, "lower num_embeddings or the learning rate, or use larger batches")]


def _build_prior(
    architecture: VQVAEArchitecture, grid: tuple[int, ...], num_classes: int
) -> CodePrior | MaskedCodePrior:
    return (MaskedCodePrior if architecture.prior == "masked" else CodePrior)(
        num_codes=architecture.num_embeddings,
        grid=grid,
        num_classes=num_classes,
        channels=architecture.prior_channels,
        num_layers=architecture.prior_layers,
        num_heads=architecture.prior_heads,
        dropout=architecture.prior_dropout,
    )


def _build_autoencoder(architecture: VQVAEArchitecture, spec: DataSpec) -> nets.VQVAE:
    return build_vqvae(
        spatial_dims=spec.spatial_dims,
        channels=spec.num_channels,
        num_channels=architecture.num_channels_upsample_downsample_layers,
        num_residual_layers=architecture.num_residual_layers,
        num_residual_channels=architecture.num_residual_channels,
        downsample_conv_parameters=architecture.downsample_conv_parameters,
        upsample_conv_parameters=architecture.upsample_conv_parameters,
        num_embeddings=architecture.num_embeddings,
        embedding_dim=architecture.embedding_dim,
        commitment_cost=architecture.loss_scaling_commitment_cost,
        decay=architecture.EMA_decay,
        epsilon=architecture.epsilon,
        dropout=architecture.dropout,
    )
