"""Whether training images were copied: a search of every synthetic image among the training images."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.metrics.image_set import ImageSets
from gandlf_synth.metrics.intervals import Indices, share
from gandlf_synth.metrics.memorization import FLIPS, Matches, match, mirror, ssim_of, threshold
from gandlf_synth.metrics.neighbors import FEWEST_HELD_OUT
from gandlf_synth.metrics.repeated_images import share_detail
from gandlf_synth.metrics.results import Check, CopyPair, Measurement, Metric
from gandlf_synth.metrics.set_metric import Criterion, Measure, MeasureSettings, SetMetric, surely_above_floor

_FLIP_NAMES = ("as it is", "mirrored left-right", "mirrored up-down", "turned by 180°")
_COLUMNS = ("training_correlation", "nearest_training", "copy")
_LEAK = 3.0
"""So many times the false alarms among held-out images show that the split leaks."""


class Copies(SetMetric):
    """Share of synthetic images that are copies of training images, beyond what held-out real images are."""

    pairs: int = 8
    """The synthetic images most like a training image that are shown."""

    position: ClassVar[int] = 90
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "copies", "Copies of training images", "private", "lower", "share",
            Criterion(
                "copies", "Share of synthetic images that are copies of training images, above the false alarms.",
                0.01, 0.05, surely_above_floor, "no more images are close to a training image than held-out ones are",
                "images are copies of training images",
            ),
        ),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the share of copies, the nearest training image of each synthetic one, and the worst pairs.

        Held-out real images say what is unusual: those of ``real`` that are not in ``train``. Without ``train``, the
        real images are taken for the training images, and each of them is held out in turn against the others.
        """
        if len(sets.held_out) < FEWEST_HELD_OUT:
            return self._refused(sets)
        matches = match(sets.synthetic.pixels, sets.reference.pixels)
        held_out = _held_out_matches(sets)
        limit = threshold(held_out.correlation, settings.false_alarm)
        flagged = matches.correlation > limit
        pairs, pictures = self._worst(sets, matches, flagged)
        columns = [
            [f"{correlation:.6f}" for correlation in matches.correlation],
            [sets.reference.files[k] for k in matches.index],
            [str(int(flag)) for flag in flagged],
        ]
        return Measurement(
            [self._share(sets, matches, held_out, limit, settings.false_alarm)],
            copies=pairs,
            columns=dict(zip(_COLUMNS, columns, strict=True)),
            arrays={
                "correlation": matches.correlation,
                "held_out": held_out.correlation,
                "limit": np.array(limit),
                "pairs": np.rint(np.asarray(pictures, dtype=np.float32) * 255).astype(np.uint8),
            },
        )

    def detail(self, metric: Metric) -> str:
        """Return the share with its interval."""
        return share_detail(metric)

    def checks(self, measurement: Measurement, thresholds: Mapping[str, float]) -> list[Check]:
        """Return the check of the share; one that would be good is not where held-out images are training images."""
        checks = super().checks(measurement, thresholds)
        return [self._leak_or(check, measurement.metrics[0], thresholds["false_alarm"]) for check in checks]

    def _leak_or(self, check: Check, metric: Metric, false_alarm: float) -> Check:
        leaked = metric.details.get("held_out_share", 0.0)
        if check.outcome != "good" or leaked <= _LEAK * false_alarm:
            return check
        sentence = (
            f"{leaked:.1%} of the held-out real images are like training images to the pixel: "
            "give held-out images of other patients"
        )
        return check.model_copy(update={"outcome": "look", "sentence": sentence})

    def _refused(self, sets: ImageSets) -> Measurement:
        reason = (
            f"only {len(sets.held_out)} real images are not among the training images; {FEWEST_HELD_OUT} are needed to "
            "tell what is unusual: give other real images"
        )
        metric = self.metric("copies", sets, refused=reason)
        counts = {"num_real": 0, "num_synthetic": 0, "num_subjects": 0}
        blank = [""] * len(sets.synthetic)
        arrays = {"correlation": np.empty(0), "held_out": np.empty(0), "limit": np.array(np.nan)}
        return Measurement([metric.model_copy(update=counts)], columns=dict.fromkeys(_COLUMNS, blank), arrays=arrays)

    def _share(self, sets: ImageSets, matches: Matches, held_out: Matches, limit: float, false_alarm: float) -> Metric:
        count, held = len(matches.index), len(held_out.index)
        flagged = int((matches.correlation > limit).sum())
        beyond = int((matches.correlation > held_out.correlation.max()).sum())
        value, floor = share(flagged, count), share(int((held_out.correlation > limit).sum()), held)
        source = "the real images (no training images were given)"
        if sets.train is not None:
            source = f"{len(sets.train)} training images"
        note = (
            f"{flagged} of {count} correlate above {limit:.4f} with one of {source}, as {false_alarm:.0%} of "
            f"held-out real images do; {beyond} are closer than every held-out image (chance: {count / (held + 1):.1f})"
        )
        details = {"held_out_share": floor.value, "correlation_limit": limit}
        metric = self.metric("copies", sets, value, floor, note=note, details=details)
        return metric.model_copy(update={"num_real": held, "num_subjects": 0})

    def _worst(
        self, sets: ImageSets, matches: Matches, flagged: NDArray[np.bool_]
    ) -> tuple[list[CopyPair], NDArray[np.float16]]:
        """Return the pairs that are most alike, and their middle planes, ``(pairs, 2, channels, rows, columns)``."""
        places: Indices = np.argsort(-matches.correlation)[: self.pairs]
        worst = Matches(matches.index[places], matches.correlation[places], matches.flip[places])
        queries, references = sets.synthetic.pixels[places], sets.reference.pixels
        similarities = ssim_of(queries, references, worst)
        middle = queries.shape[2] // 2
        pairs: list[CopyPair] = []
        pictures: list[NDArray[np.float16]] = []
        for row, place in enumerate(places):
            flip, index = int(worst.flip[row]), int(worst.index[row])
            pairs.append(
                CopyPair(
                    synthetic=sets.synthetic.files[place], training=sets.reference.files[index],
                    correlation=float(worst.correlation[row]), ssim=float(similarities[row]), flip=_FLIP_NAMES[flip],
                    flagged=bool(flagged[place]),
                )
            )  # fmt: skip
            aligned = mirror(queries[row : row + 1], FLIPS[flip])[0]
            pictures.append(np.stack([aligned[0, middle], references[index][0, middle]]))
        return pairs, np.stack(pictures)


def _held_out_matches(sets: ImageSets) -> Matches:
    real = sets.real
    if sets.train is not None:
        return match(real.pixels[sets.held_out], sets.train.pixels)
    groups: Sequence[str] = list(real.subjects)
    return match(real.pixels, real.pixels, query_groups=groups, reference_groups=groups)
