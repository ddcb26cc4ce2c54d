"""Training, reconstruction and sampling of ``vqvae`` (van den Oord et al. 2017, arXiv 1711.00937)."""

from collections.abc import Sequence

import torch
from monai.networks.nets import vqvae as networks
from torch import Tensor, distributed, nn

from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.models.base import SamplingOptions
from gandlf_synth.models.components.first_stage import cropped, padded, padded_shape
from gandlf_synth.models.components.multi_optimizer import AdversarialModule
from gandlf_synth.models.components.reconstruction_loss import ReconstructionError
from gandlf_synth.models.health import Symptom
from gandlf_synth.models.vqvae.config import VQVAEArchitecture, VQVAEConfig
from gandlf_synth.networks.code_prior import CodePrior
from gandlf_synth.networks.codebook import Codebook, perplexity

_REVIVE_EVERY = 20
_COLLAPSED = 0.1


class VQVAE(AdversarialModule[VQVAEConfig]):
    """An autoencoder whose latents are codes, then a transformer that learns them.

    ``val_loss`` is the error of the reconstruction, and, while the prior learns, the likelihood of the codes on top.
    """

    with_autoencoder: Tensor
    with_prior: Tensor

    def __init__(self, config: VQVAEConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        architecture = config.architecture
        self.autoencoder = _network(architecture, spec)
        self.codebook = Codebook(self.autoencoder.quantizer.quantizer)
        self.grid = tuple(size // architecture.stride for size in padded_shape(spec.shape, architecture.stride))
        self.prior = CodePrior(architecture, int(torch.tensor(self.grid).prod()), spec.num_classes)
        self.criterion = ReconstructionError(config, self.build_loss("model"), spec.shape)
        self.register_buffer("with_autoencoder", torch.tensor(True))
        self.register_buffer("with_prior", torch.tensor(config.prior_fraction == 1))
        self._usage: Tensor | None = None
        self._learning: tuple[bool, bool] | None = None

    @property
    def val_loss_comparable(self) -> bool:
        """Whether the prior learns already, if it ever will."""
        return self.learning[1] or self.config.prior_fraction == 0

    def network(self, name: str) -> nn.Module:
        """Return the autoencoder as ``model``, or the ``prior``."""
        return self.autoencoder if name == "model" else self.prior

    def networks_to_compile(self) -> Sequence[nn.Module]:
        """Return encoder, decoder and the prior's transformer."""
        return [self.autoencoder.encoder, self.autoencoder.decoder, self.prior.transformer]

    def check_components(self) -> None:
        """Build what training needs once, the perceptual term too; see ``GenerativeModule.check_components``."""
        super().check_components()
        self.criterion.check()

    def on_train_epoch_start(self) -> None:
        """Decide, for all processes alike, which of the two learns in this epoch."""
        share = self.config.prior_fraction
        second = share > 0 and self.epoch_progress >= 1 - share
        second = bool(self.trainer.strategy.broadcast(second))
        self._learning = (not second or share == 1, second)
        self.with_autoencoder.fill_(self._learning[0])
        self.with_prior.fill_(second)

    @property
    def learning(self) -> tuple[bool, bool]:
        """Whether the autoencoder learns at present, and whether the prior does."""
        # The buffers are for checkpoints: asking them waits for the GPU.
        return self._learning or (bool(self.with_autoencoder), bool(self.with_prior))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Take a step of the autoencoder, of the prior, or of both."""
        losses = []
        autoencoder, prior = self.learning
        if autoencoder:
            losses.append(self.update("model", lambda: self._autoencoder_loss(batch, batch_idx), batch_idx))
        if prior:
            losses.append(self.update("prior", lambda: self._prior_loss(batch), batch_idx))
        loss = torch.stack(losses).sum()
        self.log_loss("train", loss, batch)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the error of the reconstruction and, while it learns, the prior's."""
        self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss on the test split."""
        self._evaluate("test", batch)

    def _evaluate(self, phase: str, batch: Batch) -> None:
        images = batch["image"]
        loss = self.criterion(self.decode(self.encode_mean(images)), images)
        if self.learning[1]:
            loss = loss + self._prior_loss(batch)
        self.log_loss(phase, loss, batch)

    def _autoencoder_loss(self, batch: Batch, batch_idx: int) -> Tensor:
        images = batch["image"]
        vectors = self._encoded(images)
        if batch_idx % _REVIVE_EVERY == 0:
            self.codebook.revive(vectors, self._from_first)
        quantized, commitment, codes = self.codebook(vectors)
        output = cropped(self.autoencoder.decode(quantized), images.shape[2:]).float()
        self._usage = self.codebook.usage()
        values = {
            "perplexity": perplexity(codes, self.config.architecture.num_embeddings),
            "codebook_usage": self._usage,
        }
        self.log_dict(values, batch_size=len(images), on_step=False, on_epoch=True)
        loss: Tensor = self.criterion(output, images) + commitment
        return loss

    def _from_first(self, values: Tensor) -> Tensor:
        """Return the first process's ``values``; Lightning's ``broadcast`` would pickle them with their device."""
        if self.trainer.world_size > 1:
            distributed.broadcast(values, 0)
        return values

    def _prior_loss(self, batch: Batch) -> Tensor:
        with torch.no_grad():
            codes = self.codebook.codes(self._encoded(batch["image"])).flatten(1)
        return self.prior.loss(codes, batch["condition"].class_labels)

    def _encoded(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.autoencoder.encode(padded(images, self.config.architecture.stride))
        return vectors

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """``(embedding_dim, *grid)``."""
        return (self.config.architecture.embedding_dim, *self.grid)

    def encode_mean(self, images: Tensor) -> Tensor:
        """Return the encoder's vectors before quantisation, ``(batch, *latent_shape)``."""
        return self._encoded(images).float()

    def decode(self, latents: Tensor) -> Tensor:
        """Return the images of ``latents (batch, *latent_shape)``, quantised first, in 32 bits."""
        quantized = self.codebook.embed(self.codebook.codes(latents))
        return cropped(self.autoencoder.decode(quantized), self.spec.shape).float()

    def reconstruct(self, images: Tensor, condition: Condition) -> Tensor:
        """Return ``images`` through the codes and back, in [-1, 1]."""
        return self.decode(self.encode_mean(images)).clamp(-1, 1)

    def sample(self, seeds: Sequence[int], condition: Condition, options: SamplingOptions) -> Tensor:
        """Return one image per seed, from codes that the prior draws; see ``GenerativeModule.sample``."""
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        codes = self.prior.draw(condition.class_labels, generators, self.config.temperature, self.config.top_k)
        images = self.autoencoder.decode(self.codebook.embed(codes.view(-1, *self.grid)))
        return cropped(images, self.spec.shape).float().clamp(-1, 1)

    def symptoms(self) -> Sequence[Symptom] | None:
        """Return what is wrong: a codebook of which next to nothing is used."""
        if self._usage is None or float(self._usage) >= _COLLAPSED:
            return []
        what = f"{100 * float(self._usage):.0f} % of the codes are in use"
        return [Symptom("codebook collapse", what, "lower num_embeddings or the learning rate, or use larger batches")]


def _network(architecture: VQVAEArchitecture, spec: DataSpec) -> networks.VQVAE:
    return networks.VQVAE(
        spatial_dims=spec.spatial_dims,
        in_channels=spec.num_channels,
        out_channels=spec.num_channels,
        channels=architecture.num_channels_upsample_downsample_layers,
        num_res_layers=architecture.num_residual_layers,
        num_res_channels=architecture.num_residual_channels,
        downsample_parameters=[tuple(level) for level in architecture.downsample_conv_parameters],
        upsample_parameters=[tuple(level) for level in architecture.upsample_conv_parameters],
        num_embeddings=architecture.num_embeddings,
        embedding_dim=architecture.embedding_dim,
        commitment_cost=architecture.loss_scaling_commitment_cost,
        decay=architecture.EMA_decay,
        epsilon=architecture.epsilon,
        dropout=architecture.dropout,
    )
