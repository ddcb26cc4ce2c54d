"""What both sides of a GAN minimize (Goodfellow et al. 2014, arXiv 1406.2661), given the discriminator's scores.

Scores have no upper or lower bound; higher means more like a real image.
"""

from collections.abc import Callable
from math import nan
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

ElementLoss = Callable[[Tensor, Tensor], Tensor]
"""Compares an output with a target of the same shape."""


@runtime_checkable
class AdversarialLoss(Protocol):
    """A loss that says itself what each side of a GAN minimizes; see ``ScoreComparison`` for the others."""

    decision_score: float
    """The score half-way between real and synthetic; NaN for a critic, which does not decide."""

    def for_discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the discriminator's loss from the scores ``(batch,)`` of real and of synthetic images."""

    def for_generator(self, fake: Tensor) -> Tensor:
        """Return the generator's loss from the scores ``(batch,)`` of its images."""


class ScoreComparison:
    """The rules of a loss that compares scores with a target: 1 for real images, 0 for synthetic ones.

    With the squared error these are least-squares GANs (Mao et al. 2017, arXiv 1611.04076, eq. 9).

    Args:
        loss: reduces to one number.
    """

    decision_score = 0.5

    def __init__(self, loss: ElementLoss) -> None:
        self._loss = loss

    def for_discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the loss of real scores against 1 plus that of synthetic scores against 0."""
        return _compare(self._loss, real, 1.0) + _compare(self._loss, fake, 0.0)

    def for_generator(self, fake: Tensor) -> Tensor:
        """Return the loss of synthetic scores against 1 (the non-saturating form)."""
        return _compare(self._loss, fake, 1.0)


class LogitBinaryCrossEntropy(nn.BCEWithLogitsLoss):
    """Binary cross-entropy of logits, which scores are: the non-saturating loss of Goodfellow et al. 2014, sec. 3."""

    decision_score = 0.0

    def for_discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return ``−log σ(real) − log(1 − σ(fake))``, averaged."""
        return ScoreComparison(self).for_discriminator(real, fake)

    def for_generator(self, fake: Tensor) -> Tensor:
        """Return ``−log σ(fake)``, averaged."""
        return ScoreComparison(self).for_generator(fake)


class BinaryCrossEntropy(nn.BCELoss):
    """Binary cross-entropy of probabilities; scores go through a sigmoid first."""

    decision_score = 0.0

    def for_discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return ``−log σ(real) − log(1 − σ(fake))``, averaged."""
        return ScoreComparison(self._of_scores).for_discriminator(real, fake)

    def for_generator(self, fake: Tensor) -> Tensor:
        """Return ``−log σ(fake)``, averaged."""
        return ScoreComparison(self._of_scores).for_generator(fake)

    def _of_scores(self, scores: Tensor, target: Tensor) -> Tensor:
        return self(scores.sigmoid(), target)  # type: ignore[no-any-return]


class PlainMean(nn.Module):
    """The mean of a critic's scores, one term of a Wasserstein loss (Arjovsky et al. 2017, arXiv 1701.07875, eq. 2)."""

    decision_score = nan

    def forward(self, output: Tensor, target: Tensor | None = None) -> Tensor:
        """Return the mean of ``output (batch, *)``; ``target`` is there for callers that treat all losses alike."""
        return output.mean()

    def for_discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return ``mean(fake) − mean(real)``."""
        return fake.float().mean() - real.float().mean()

    def for_generator(self, fake: Tensor) -> Tensor:
        """Return ``−mean(fake)``."""
        return -fake.float().mean()


class Hinge(nn.Module):
    """What scores lack to the margin on their right side (Lim & Ye 2017, arXiv 1705.02894, eq. 15).

    Args:
        margin: the score from which an image counts no more.
    """

    decision_score = 0.0

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean of ``max(0, margin − s·output)``, s = 1 where ``target`` is 1 and −1 where it is 0."""
        return functional.relu(self.margin - (2 * target - 1) * output).mean()

    def for_discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return ``mean(max(0, margin − real)) + mean(max(0, margin + fake))``."""
        return ScoreComparison(self).for_discriminator(real, fake)

    def for_generator(self, fake: Tensor) -> Tensor:
        """Return ``−mean(fake)``."""
        return -fake.float().mean()


def adversarial_loss(loss: nn.Module) -> AdversarialLoss:
    """Return the rules by which ``loss``, which reduces to one number, trains a GAN.

    Example:
        >>> real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.0])
        >>> rules = adversarial_loss(Hinge())
        >>> float(rules.for_discriminator(real, fake)), float(rules.for_generator(fake))
        (0.75, 1.5)
        >>> adversarial_loss(nn.MSELoss()).decision_score
        0.5
    """
    return loss if isinstance(loss, AdversarialLoss) else ScoreComparison(loss)


def _compare(loss: ElementLoss, scores: Tensor, target: float) -> Tensor:
    with torch.autocast(scores.device.type, enabled=False):
        scores = scores.float()
        return loss(scores, scores.new_full(scores.shape, target))
