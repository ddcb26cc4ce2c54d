"""A distribution of somebody else's, as pip installs it: one loss, found through its entry point."""

from pydantic import PositiveFloat
from torch import Tensor, nn


class Charbonnier(nn.Module):
    """A smooth absolute error (Charbonnier et al. 1994)."""

    def __init__(self, epsilon: float, reduction: str) -> None:
        super().__init__()
        self.epsilon, self.reduction = epsilon, reduction

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        error = ((output - target) ** 2 + self.epsilon**2).sqrt()
        return error if self.reduction == "none" else error.mean()


def charbonnier(*, epsilon: PositiveFloat = 1e-3, reduction: str = "mean") -> nn.Module:
    """Return the loss."""
    return Charbonnier(epsilon, reduction)
