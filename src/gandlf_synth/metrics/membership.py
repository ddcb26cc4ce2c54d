"""Whether one can tell who was in the training data (Hayes et al. 2019; Chen et al. 2020, full black-box attack)."""

from typing import ClassVar

import numpy as np

from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Estimate, auc, bootstrap
from gandlf_synth.metrics.memorization import match
from gandlf_synth.metrics.neighbors import FEWEST_HELD_OUT
from gandlf_synth.metrics.results import Measurement
from gandlf_synth.metrics.set_metric import Criterion, Measure, MeasureSettings, SetMetric, low_end


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
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the area under the attack's curve; nothing without training images or held-out ones."""
        real, train, held_out = sets.real, sets.train, sets.held_out
        if train is None or len(held_out) < FEWEST_HELD_OUT:
            return Measurement([])
        rng = np.random.default_rng(settings.seed)
        inside = np.sort(rng.permutation(len(train))[: self.members])
        outside = np.sort(rng.permutation(held_out)[: self.members])
        members = match(train.pixels[inside], sets.synthetic.pixels).correlation
        others = match(real.pixels[outside], sets.synthetic.pixels).correlation
        groups = [list(train.subjects[inside]), list(real.subjects[outside])]
        value = bootstrap(lambda i, j: auc(members[i], others[j]), groups, seed=settings.seed)
        note = (
            "0.5: an attacker who sees the synthetic images learns nothing of who was in the training data; "
            "1: everything"
        )
        metric = self.metric("membership", sets, value, Estimate(0.5, 0.5, 0.5), note=note)
        return Measurement([metric.model_copy(update={"num_real": len(outside), "num_subjects": 0})])
