"""Whether one can tell who was in the training data (Hayes et al. 2019; Chen et al. 2020, full black-box attack)."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from gandlf_synth.metrics.copy_limit import FEWEST
from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Estimate, Floats, auc, bootstrap
from gandlf_synth.metrics.memorization import CopySearch
from gandlf_synth.metrics.results import Check, Measurement
from gandlf_synth.metrics.set_metric import (
    Criterion,
    Measure,
    MeasureSettings,
    SetMetric,
    low_end,
    unless_unsure,
)

_FALSE_POSITIVES = 0.01
_FEWEST_FOR_RATE = 100


def true_positive_rate(members: Floats, others: Floats, false_positives: float = _FALSE_POSITIVES) -> float:
    """Return the share of members that an attack finds which takes so few others for members (Carlini et al. 2022).

    >>> true_positive_rate(np.array([0.1, 0.9, 0.95]), np.linspace(0, 0.8, 100))
    0.6666666666666666
    """
    limit = np.quantile(others, 1 - false_positives, method="higher")
    return float((members > limit).mean())


class Membership(SetMetric):
    """How well likeness to the nearest synthetic image tells training images from held-out ones."""

    members: int = 1000
    """Training images, and held-out images, that are searched for among the synthetic ones."""

    position: ClassVar[int] = 110
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "membership", "Membership attack (AUC)", "private", "lower",
            criterion=Criterion(
                "membership",
                "Area under the curve of an attack that guesses who was in the training data; 0.5 is a coin.",
                0.55, 0.65, low_end, "an attacker cannot tell who was in the training data",
                "an attacker can tell who was in the training data",
            ),
        ),
        Measure(
            "membership_tpr", "Membership attack (found at 1 % false alarms)", "private", "lower", "share",
            criterion=Criterion(
                "membership_tpr",
                "Share of training images that the attack finds while it takes 1 % of the others for training images.",
                0.03, 0.10, low_end, "hardly any training image can be told with certainty",
                "some training images can be told with certainty",
            ),
        ),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the area under the attack's curve and its rate; nothing without training images or held-out ones."""
        real, train, held_out = sets.real, sets.train, sets.held_out
        if train is None or len(held_out) < FEWEST:
            return Measurement([])
        rng = np.random.default_rng(settings.seed)
        inside = np.sort(rng.permutation(len(train))[: self.members])
        outside = np.sort(rng.permutation(held_out)[: self.members])
        search = CopySearch(sets.synthetic.whole)
        members = search.find(train.whole[inside]).nearness
        others = search.find(real.whole[outside]).nearness
        groups = [list(train.subjects[inside]), list(real.subjects[outside])]
        area = bootstrap(lambda i, j: auc(members[i], others[j]), groups, seed=settings.seed)
        note = (
            "0.5: an attacker who sees the synthetic images learns nothing of who was in the training data; "
            "1: everything"
        )
        numbers = [self.metric("membership", sets, area, Estimate(0.5, 0.5, 0.5), note=note)]
        if len(outside) < _FEWEST_FOR_RATE:
            reason = f"{len(outside)} held-out images, {_FEWEST_FOR_RATE} are needed for a rate of 1 %"
            numbers.append(self.metric("membership_tpr", sets, refused=reason))
        else:
            rate = bootstrap(lambda i, j: true_positive_rate(members[i], others[j]), groups, seed=settings.seed)
            floor = Estimate(_FALSE_POSITIVES, _FALSE_POSITIVES, _FALSE_POSITIVES)
            note = "0.01: the attack finds as many training images as it takes others for them"
            numbers.append(self.metric("membership_tpr", sets, rate, floor, note=note))
        return Measurement([n.model_copy(update={"num_real": len(outside), "num_subjects": 0}) for n in numbers])

    def checks(self, measurement: Measurement, thresholds: Mapping[str, float]) -> list[Check]:
        """Return the checks: an attack is bad where it surely works, and good where it surely does not."""
        checks = super().checks(measurement, thresholds)
        pairs = zip(checks, measurement.metrics, strict=True)
        return [unless_unsure(check, metric, decisive=metric.name == "membership") for check, metric in pairs]
