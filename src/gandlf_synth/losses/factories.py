"""The losses by GaNDLF's names: functions whose parameters a YAML may set; torch is imported when one is built.

``reduction`` says what becomes of the values per element: their ``mean``, their ``sum``, or ``none``, all of them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveFloat

if TYPE_CHECKING:
    from torch import Tensor, nn

Reduction = Literal["mean", "sum", "none"]
Weights = list[float] | None


def l1(*, reduction: Reduction = "mean") -> "nn.Module":
    """Return the absolute error ``|output − target|``; shapes ``(batch, *)``.

    Example:
        >>> import torch
        >>> float(l1()(torch.tensor([1.0, 4.0]), torch.tensor([0.0, 0.0])))
        2.5
    """
    from torch import nn

    return nn.L1Loss(reduction=reduction)


def mse(*, reduction: Reduction = "mean") -> "nn.Module":
    """Return the squared error ``(output − target)²``; shapes ``(batch, *)``."""
    from torch import nn

    return nn.MSELoss(reduction=reduction)


def bce(*, weight: Weights = None, reduction: Reduction = "mean") -> "nn.Module":
    """Return the binary cross-entropy of probabilities; a discriminator's scores go through a sigmoid first.

    Args:
        weight: factors that broadcast to the output.
        reduction: see above.

    The module takes output and target in [0, 1], ``(batch, *)``.
    """
    from gandlf_synth.losses.adversarial import BinaryCrossEntropy

    return BinaryCrossEntropy(weight=_tensor(weight), reduction=reduction)


def bcelogits(*, weight: Weights = None, reduction: Reduction = "mean", pos_weight: Weights = None) -> "nn.Module":
    """Return the binary cross-entropy of logits, stable where ``bce`` after a sigmoid is not.

    Args:
        weight: factors that broadcast to the output.
        reduction: see above.
        pos_weight: factors of the positive examples that broadcast to the target.

    The module takes logits and a target in [0, 1], ``(batch, *)``.
    """
    from gandlf_synth.losses.adversarial import LogitBinaryCrossEntropy

    return LogitBinaryCrossEntropy(weight=_tensor(weight), reduction=reduction, pos_weight=_tensor(pos_weight))


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


def plain_mean() -> "nn.Module":
    """Return the mean of a critic's scores, one term of a Wasserstein loss (Arjovsky et al. 2017, arXiv 1701.07875)."""
    from gandlf_synth.losses.adversarial import PlainMean

    return PlainMean()


def hinge(*, margin: PositiveFloat = 1.0) -> "nn.Module":
    """Return the hinge loss of a discriminator (Lim & Ye 2017, arXiv 1705.02894); its generator minimizes −mean(fake).

    Args:
        margin: the score from which an image counts no more.
    """
    from gandlf_synth.losses.adversarial import Hinge

    return Hinge(margin)


def _tensor(values: Sequence[float] | None) -> "Tensor | None":
    import torch

    return None if values is None else torch.tensor(values)
