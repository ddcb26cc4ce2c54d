"""The distribution from which a variational autoencoder is sampled: a Gaussian of its own latents."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gandlf_synth.models.base import noise_from

_WINDOW = 2000.0
"""Images over which mean and variance are averaged once that many were seen, since the encoder moves."""


class LatentGaussian(nn.Module):
    """A normal distribution per class and latent position, fitted to the latents of the training images.

    Positions are independent, so samples lack the agreement over distances that a model of latents would learn.

    Args:
        num_classes: 0 without classes.
        shape: ``(latent channels, *latent size)``.

    Example:
        >>> prior = LatentGaussian(num_classes=0, shape=(2, 4, 4))
        >>> prior.fit(torch.randn(8, 2, 4, 4), torch.ones(8, 2, 4, 4), None)
        >>> prior.sample([11, 12, 13], None).shape
        torch.Size([3, 2, 4, 4])
    """

    count: Tensor
    mean: Tensor
    square: Tensor

    def __init__(self, num_classes: int, shape: Sequence[int]) -> None:
        super().__init__()
        groups = max(1, num_classes)
        self.shape = tuple(shape)
        self.register_buffer("count", torch.zeros(groups))
        self.register_buffer("mean", torch.zeros(groups, *shape))
        self.register_buffer("square", torch.ones(groups, *shape))

    @torch.no_grad()
    def fit(self, mean: Tensor, sigma: Tensor, class_labels: Tensor | None) -> None:
        """Take in the posteriors of a batch: ``mean`` and ``sigma (batch, *shape)``, ``class_labels (batch,)``."""
        mean, sigma = mean.float(), sigma.float()
        groups = torch.zeros(len(mean), dtype=torch.long, device=mean.device) if class_labels is None else class_labels
        members = torch.zeros_like(self.count).index_add_(0, groups, torch.ones_like(groups, dtype=self.count.dtype))
        self.count.add_(members).clamp_(max=_WINDOW)
        columns = (-1, *(1,) * len(self.shape))
        share = (members / self.count.clamp(min=1)).clamp(max=1).view(columns)  # 0 for classes that the batch lacks
        for running, values in ((self.mean, mean), (self.square, mean**2 + sigma**2)):
            average = torch.zeros_like(running).index_add_(0, groups, values) / members.clamp(min=1).view(columns)
            running.lerp_(average, share)

    def std(self) -> Tensor:
        """Return the standard deviations ``(classes, *shape)``; 1 where nothing was seen."""
        return (self.square - self.mean**2).clamp(min=1e-12).sqrt()

    def sample(self, seeds: Sequence[int], class_labels: Tensor | None) -> Tensor:
        """Return one latent per seed, ``(len(seeds), *shape)``, of the class in ``class_labels (len(seeds),)``."""
        noise, _ = noise_from(seeds, self.shape)
        groups = torch.zeros(len(seeds), dtype=torch.long) if class_labels is None else class_labels
        groups = groups.to(self.mean.device)
        return self.mean[groups] + self.std()[groups] * noise.to(self.mean.device)
