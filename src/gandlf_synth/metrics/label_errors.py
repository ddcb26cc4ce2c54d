"""Whether the labels of synthetic images are those of their content, as classifiers see it.

Two classifiers judge: one that learned from real images, and one that learned from other synthetic images. Wrong
labels lower the agreement of both. Exchanged labels lower that of the first only, and are made good by renaming
classes. Images that look unlike real ones lower that of the first only too, and no renaming helps: that is no error of
labels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from gandlf_synth.metrics.intervals import Estimate, Indices

_RENAMED = 0.2
"""So much more must agree after renaming classes before they are said to be exchanged."""


def share_of_wrong_labels(agreement: Estimate, recognized: Estimate, num_classes: int) -> Estimate:
    """Return the share of labels that are wrong, given how often a classifier agrees with them.

    With wrong labels drawn evenly from the other classes, agreement = (1 − r) a + r (1 − a) / (K − 1) for a classifier
    that recognizes a share a (Natarajan et al. 2013).

    Args:
        agreement: share of the images on which the classifier and the label agree.
        recognized: share of real images that the classifier recognizes.
        num_classes: K.

    >>> found = share_of_wrong_labels(Estimate(0.68, 0.68, 0.68), Estimate(0.95, 0.95, 0.95), 2)
    >>> round(found.value, 2)
    0.3
    """

    def wrong(agreeing: float, share: float) -> float:
        chance = (1 - share) / (num_classes - 1)
        return (share - agreeing) / max(share - chance, 1e-6)

    value = wrong(agreement.value, recognized.value)
    below = np.hypot(wrong(agreement.high, recognized.value) - value, wrong(agreement.value, recognized.low) - value)
    above = np.hypot(wrong(agreement.low, recognized.value) - value, wrong(agreement.value, recognized.high) - value)
    value = min(max(value, 0.0), 1.0)
    return Estimate(value, float(value - below), float(value + above), recognized.method).within(0, 1)


def find_exchanged(predicted: Sequence[Indices], labels: Indices, names: Sequence[str]) -> dict[str, str]:
    """Return which class the images of each label look like, where exchanged names explain most of the disagreement.

    Args:
        predicted: the classes that several classifiers see, each ``(n,)``.
        labels: the classes by the labels, ``(n,)``.
        names: of the classes.

    >>> labels = np.array([0, 0, 1, 1, 2, 2])
    >>> find_exchanged([np.array([1, 1, 0, 0, 2, 2])], labels, ["glioma", "meningioma", "none"])
    {'glioma': 'meningioma', 'meningioma': 'glioma'}
    """
    table = np.zeros((len(names), len(names)))
    for classes in predicted:
        np.add.at(table, (labels, classes), 1)
    shares: NDArray[np.float64] = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    rows, columns = linear_sum_assignment(-shares)
    renamed = {names[i]: names[j] for i, j in zip(rows, columns, strict=True) if i != j}
    moved = [i for i, j in zip(rows, columns, strict=True) if i != j]
    gain = np.mean([shares[i, columns[i]] - shares[i, i] for i in moved]) if moved else 0.0
    return renamed if gain > _RENAMED else {}
