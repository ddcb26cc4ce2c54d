"""Whether a set holds the same image again and again."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.metrics.image_set import ImageSetFeatures, ImageSets
from gandlf_synth.metrics.intervals import share
from gandlf_synth.metrics.memorization import match, threshold
from gandlf_synth.metrics.results import Measurement, Metric
from gandlf_synth.metrics.set_metric import Criterion, Measure, MeasureSettings, SetMetric, surely_above_floor


def share_detail(metric: Metric) -> str:
    """Return a share with its interval, as it follows a sentence."""
    value = metric.value
    return f": {value.value:.1%} of them ({value.low:.1%} to {value.high:.1%})" if value else ""


class RepeatedImages(SetMetric):
    """Share of synthetic images that are as like another one of their set as next to no real images are."""

    largest: int = 2000
    """Images of a set that are searched."""
    lowest_correlation: float = 0.9
    """A correlation below this is no repetition, however different the real images are."""

    position: ClassVar[int] = 70
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "duplicates", "Repeated images", "diverse", "lower", "share",
            Criterion(
                "duplicates",
                "Share of synthetic images that are like another one as only few real ones are, above the real share.",
                0.02, 0.10, surely_above_floor, "hardly any image is repeated", "images are repeated",
            ),
        ),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the share; its floor is that among real images, which the calibration makes about ``false_alarm``."""
        rng = np.random.default_rng(settings.seed)
        real = self._correlations(sets.real, rng, by_subject=True)
        synthetic = self._correlations(sets.synthetic, rng, by_subject=False)
        limit = max(threshold(real, settings.false_alarm), self.lowest_correlation)
        value, floor = (share(int((part > limit).sum()), len(part)) for part in (synthetic, real))
        note = f"correlation above {limit:.4f} with another image of the set, under flips and 1-pixel shifts"
        return Measurement([self.metric("duplicates", sets, value, floor, note=note)])

    def detail(self, metric: Metric) -> str:
        """Return the share with its interval."""
        return share_detail(metric)

    def _correlations(
        self, images: ImageSetFeatures, rng: np.random.Generator, *, by_subject: bool
    ) -> NDArray[np.float64]:
        """Return how alike each image and the nearest other one are; one subject's images are not each other's."""
        chosen = np.sort(rng.permutation(len(images))[: self.largest])
        pixels = images.pixels[chosen]
        groups = list(images.subjects[chosen] if by_subject else chosen.astype(str))
        return match(pixels, pixels, query_groups=groups, reference_groups=groups).correlation
