"""Losses that compare an output with a target of the same shape; the arithmetic is torch's.

``reduction`` says what becomes of the values per element: their ``mean``, their ``sum``, or ``none``, all of them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

if TYPE_CHECKING:
    from torch import Tensor, nn

Reduction = Literal["mean", "sum", "none"]
Weights = list[float] | None


def l1(*, reduction: Reduction = "mean") -> "nn.Module":
    """Return the absolute error ``|output − target|``; shapes ``(batch, *)``."""
    from torch import nn

    return nn.L1Loss(reduction=reduction)


def mse(*, reduction: Reduction = "mean") -> "nn.Module":
    """Return the squared error ``(output − target)²``; shapes ``(batch, *)``."""
    from torch import nn

    return nn.MSELoss(reduction=reduction)


def bce(*, weight: Weights = None, reduction: Reduction = "mean") -> "nn.Module":
    """Return the binary cross-entropy of probabilities.

    Args:
        weight: factors that broadcast to the output.
        reduction: see above.

    The module takes output and target in [0, 1], ``(batch, *)``.
    """
    from torch import nn

    return nn.BCELoss(weight=_tensor(weight), reduction=reduction)


def bcelogits(*, weight: Weights = None, reduction: Reduction = "mean", pos_weight: Weights = None) -> "nn.Module":
    """Return the binary cross-entropy of logits, stable where ``bce`` after a sigmoid is not.

    Args:
        weight: factors that broadcast to the output.
        reduction: see above.
        pos_weight: factors of the positive examples that broadcast to the target.

    The module takes logits and a target in [0, 1], ``(batch, *)``.
    """
    from torch import nn

    return nn.BCEWithLogitsLoss(weight=_tensor(weight), reduction=reduction, pos_weight=_tensor(pos_weight))


def cel(
    *,
    weight: Weights = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    label_smoothing: Annotated[float, Field(ge=0, le=1)] = 0.0,
) -> "nn.Module":
    """Return the cross-entropy of class logits.

    Args:
        weight: one factor per class.
        ignore_index: a class that does not count.
        reduction: see above.
        label_smoothing: share of the target that is spread evenly over the classes.

    The module takes logits ``(batch, classes, *)`` and class indices ``(batch, *)``, or probabilities shaped alike.
    """
    from torch import nn

    return nn.CrossEntropyLoss(
        weight=_tensor(weight), ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
    )


def _tensor(values: Sequence[float] | None) -> "Tensor | None":
    import torch

    return None if values is None else torch.tensor(values)
