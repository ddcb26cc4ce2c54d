"""Losses of a critic, whose output is a score without a target."""

from torch import Tensor, nn


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
