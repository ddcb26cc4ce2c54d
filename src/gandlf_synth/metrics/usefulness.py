"""Does a classifier learn from synthetic images? Train on synthetic, test on real (Esteban et al. 2017)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]

CLASSIFIER = "one hidden layer of 64 units on the extractor's features, dropout 0.5, AdamW, 150 full-batch steps"
"""Fixed, so that numbers of different papers can be compared."""
_HIDDEN = 64
_STEPS = 150


def predictions(features: Floats, labels: Labels, test: Floats, num_classes: int, seed: int) -> Labels:
    """Return the classes that a classifier trained on ``features`` gives to ``test``, ``(len(test),)``.

    Args:
        features: ``(n, dimension)``, standardised by their own mean and deviation.
        labels: ``(n,)``, in [0, num_classes); every class weighs the same, however many images it has.
        test: ``(m, dimension)``.
        num_classes: of the task, whether or not all are in ``labels``.
        seed: of weights and dropout.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    scale = np.where(deviation > 1e-6, deviation, 1.0)
    inputs, tests = (torch.from_numpy(((part - mean) / scale).astype(np.float32)) for part in (features, test))
    targets = torch.from_numpy(labels)
    counts = torch.bincount(targets, minlength=num_classes).clamp(min=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Linear(inputs.shape[1], _HIDDEN), nn.ReLU(), nn.Dropout(0.5), nn.Linear(_HIDDEN, num_classes)
        )
        optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
        loss = nn.CrossEntropyLoss(weight=counts.sum() / (num_classes * counts))
        for _ in range(_STEPS):
            optimizer.zero_grad()
            loss(network(inputs), targets).backward()
            optimizer.step()
    network.eval()
    with torch.no_grad():
        found: Labels = network(tests).argmax(dim=1).numpy()
    return found


def balanced_accuracy(predicted: Labels, true: Labels) -> float:
    """Return the mean over classes of the share of their images that were recognised."""
    return float(np.mean([(predicted[true == label] == label).mean() for label in np.unique(true)]))


def mean_balanced_accuracy(runs: Sequence[Labels], true: Labels) -> float:
    """Return the mean balanced accuracy of several classifiers on the same images."""
    return float(np.mean([balanced_accuracy(predicted, true) for predicted in runs]))
