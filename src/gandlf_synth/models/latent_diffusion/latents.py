"""The latents of a data set: made once where images never change, and brought to mean 0 and variance 1."""

import hashlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from lightning.pytorch import Trainer
from numpy.typing import NDArray
from torch import Tensor, nn

from gandlf_synth.data.loading.dataset import Batch, PreparedDataset
from gandlf_synth.data.loading.mapped_images import MappedImages, NetworkImages
from gandlf_synth.errors import CheckpointError, Problem
from gandlf_synth.provenance import digest

Encode = Callable[[Tensor], Tensor]
_CHUNK, _CHUNK_VALUES = 8, 2**21
"""Images that are encoded together, and the values that they may hold: one volume of 256³ is enough for a GPU."""
_TOLERANCE = 0.25
_DRAWN = 512
"""Images that the scale is measured on where augmentation makes them anew in every epoch."""


class LatentScale(nn.Module):
    """Per channel, what brings latents to mean 0 and variance 1 (Rombach et al. 2022, appendix G).

    Args:
        spatial_dims: 2 or 3.
        channels: of the latents.
    """

    mean: Tensor
    std: Tensor
    measured: Tensor

    def __init__(self, spatial_dims: int, channels: int) -> None:
        super().__init__()
        broadcast = (1, channels, *(1,) * spatial_dims)
        self.register_buffer("mean", torch.zeros(broadcast))
        self.register_buffer("std", torch.ones(broadcast))
        self.register_buffer("measured", torch.tensor(False))

    def measure(self, latents: Iterator[Tensor]) -> None:
        """Measure ``latents``, batches of ``(batch, channels, *shape)``, all together."""
        mean, std = _moments(latents)
        self.mean.copy_(mean.view(self.mean.shape))
        self.std.copy_(std.view(self.std.shape))
        self.measured.fill_(True)

    def check(self, latents: Iterator[Tensor]) -> None:
        """Refuse ``latents`` to which the measured scale does not belong.

        Raises:
            CheckpointError: a channel does not have a variance near 1 when scaled.
        """
        # Latents that were stored lie on the CPU, the scale where the model is.
        std = _moments(latents)[1] / self.std.flatten().cpu()
        if not bool(((std - 1).abs() < _TOLERANCE).all()):
            what = f"scaled latents have standard deviations {[round(value, 2) for value in std.tolist()]}, not 1"
            fix = "resume with the data, preprocessing and autoencoder that the run began with"
            raise CheckpointError(Problem("first stage", what, fix=fix))

    def scaled(self, latents: Tensor) -> Tensor:
        """Return ``latents`` with mean 0 and variance 1."""
        return (latents - self.mean) / self.std

    def unscaled(self, latents: Tensor) -> Tensor:
        """Return what ``scaled`` was given."""
        return latents * self.std + self.mean


def _moments(latents: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation per channel."""
    count, total, square = 0, torch.zeros(()), torch.zeros(())
    for batch in latents:
        values = batch.cpu().double().transpose(0, 1).flatten(1)  # Apple's GPUs have no 64 bits
        count, total = count + values.shape[1], total + values.sum(1)
        square = square + (values**2).sum(1)
    mean = total / count
    return mean, (square / count - mean**2).clamp(min=1e-12).sqrt()


def cache_latents(
    dataset: PreparedDataset, encode: Encode, latent_shape: tuple[int, ...], weights: nn.Module, trainer: Trainer
) -> MappedImages | None:
    """Return the latents of ``dataset`` from a file beside its images, which is written first; None where they vary.

    Args:
        dataset: the split.
        encode: ``(batch, channels, *shape)`` → ``(batch, *latent_shape)``.
        latent_shape: ``(latent channels, *latent size)``.
        weights: what ``encode`` depends on.
        trainer: says which process writes.
    """
    images = dataset.mapped
    if images is None:
        return None
    key = digest([images.key, digest_weights(weights)])
    path = images.folder / f"latents-{key}.f32"
    shape = (len(dataset), *latent_shape)
    if trainer.is_global_zero and not MappedImages.is_complete(path, shape):
        MappedImages.write(path, _encoded(images, len(dataset), encode))
    trainer.strategy.barrier()
    return MappedImages.read(path, shape)


def read_batches(stored: MappedImages) -> Iterator[Tensor]:
    """Yield all of ``stored``, a few at a time."""
    for places in torch.split(torch.arange(stored.shape[0]), 64):
        yield stored.gather(places)


def draw_batches(dataset: PreparedDataset, encode: Encode) -> Iterator[Tensor]:
    """Yield the latents of images as training draws them, for the scale."""
    sample = torch.linspace(0, len(dataset) - 1, min(_DRAWN, len(dataset))).long()
    values = dataset.__getitems__([0])["image"].numel()
    for places in torch.split(sample, _together(values)):
        batch: Batch = dataset.__getitems__(places.tolist())
        yield encode(batch["image"])


def digest_weights(module: nn.Module) -> str:
    """Return a digest of the weights of ``module``."""
    total = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        total.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:16]


def _encoded(images: NetworkImages, count: int, encode: Encode) -> Iterator[NDArray[np.float32]]:
    for places in torch.split(torch.arange(count), _together(int(np.prod(images.shape[1:])))):
        yield from encode(images.gather(places)).float().cpu().numpy()


def _together(values: int) -> int:
    """Return how many images of so many ``values`` are encoded together."""
    return max(1, min(_CHUNK, _CHUNK_VALUES // values))
