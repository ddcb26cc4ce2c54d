"""Losses of networks that play against each other, from scores without an upper or lower bound.

A loss that compares with a target (``bcelogits``, ``bce``, ``mse``, ``l1``) sees 1 for real and 0 for synthetic images.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional


class PlainMean(nn.Module):
    """The mean of a critic's scores, one term of a Wasserstein loss (Arjovsky et al. 2017, arXiv 1701.07875, eq. 2).

    The sign is the model's business: a critic minimises ``mean(fake) − mean(real)``, a generator ``−mean(fake)``.
    """

    def forward(self, output: Tensor, target: Tensor | None = None) -> Tensor:
        """Return the mean of ``output (batch, *)``; ``target`` is there for callers that treat all losses alike."""
        return output.mean()


def plain_mean() -> nn.Module:
    """Return the mean of the critic's output."""
    return PlainMean()


class Hinge(nn.Module):
    """What scores lack to the margin on their right side (Lim & Ye 2017, arXiv 1705.02894, eq. 15).

    Args:
        margin: the score from which an image counts no more.
    """

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean of ``max(0, margin − s·output)``, s = 1 where ``target`` is 1 and −1 where it is 0."""
        return functional.relu(self.margin - (2 * target - 1) * output).mean()


def hinge(*, margin: Annotated[float, Field(gt=0)] = 1.0) -> nn.Module:
    """Return the hinge loss of a discriminator; its generator minimises ``−mean(fake)``."""
    return Hinge(margin)


def discriminator_loss(loss: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Return what a discriminator minimises.

    Args:
        loss: a registered loss that reduces to one number.
        real: scores of real images, ``(batch,)``.
        fake: scores of synthetic images, ``(batch,)``.
    """
    if isinstance(loss, PlainMean):
        return fake.float().mean() - real.float().mean()
    return _compared(loss, real, 1.0) + _compared(loss, fake, 0.0)


def generator_loss(loss: nn.Module, fake: Tensor) -> Tensor:
    """Return what a generator minimises, from the scores ``(batch,)`` of its images."""
    if isinstance(loss, PlainMean | Hinge):
        return -fake.float().mean()
    return _compared(loss, fake, 1.0)


def _compared(loss: nn.Module, scores: Tensor, target: float) -> Tensor:
    with torch.autocast(scores.device.type, enabled=False):
        scores = scores.float()
        if isinstance(loss, nn.BCELoss):
            scores = scores.sigmoid()
        value: Tensor = loss(scores, scores.new_full(scores.shape, target))
    return value
