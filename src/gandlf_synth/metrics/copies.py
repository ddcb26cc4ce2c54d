"""Whether training images were copied: a search of every synthetic image among the training images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.metrics.copy_limit import (
    FEWEST,
    CopyLimit,
    fit_copy_limit,
    nearly_identical,
    share_by_chance,
    surely_identical,
    unexplained_share,
)
from gandlf_synth.metrics.copy_pairs import worst_pairs
from gandlf_synth.metrics.image_set import ImageSetFeatures, ImageSets
from gandlf_synth.metrics.intervals import Estimate, Indices, share
from gandlf_synth.metrics.memorization import CopySearch, Matches
from gandlf_synth.metrics.repeated_images import share_detail
from gandlf_synth.metrics.results import Check, CopyPair, Measurement, Metric, Outcome
from gandlf_synth.metrics.set_metric import Criterion, Measure, MeasureSettings, SetMetric

Flags = NDArray[np.bool_]

ENOUGH = 200
"""Held-out images that are wanted for a limit of 1 %."""
_COLUMNS = ("training_correlation", "nearest_training", "copy", "kind_of_copy")
_LEAK = 0.05
"""The share of held-out images that are nearly training images from which the split is said to leak."""
_NAMED = 3


def _unexplained(metric: Metric) -> Estimate:
    """Return the share that chance does not explain; the test is in it, so that it has no interval of its own."""
    copied = metric.details["identical"] / metric.num_synthetic
    by_chance = metric.details.get("by_chance", 1.0)
    value = max(metric.value.value - by_chance if metric.value else 0.0, copied, 0.0)
    return Estimate(value, value, value)


class Copies(SetMetric):
    """Share of synthetic images that are copies of training images, beyond what held-out real images are."""

    pairs: int = 8
    """The synthetic images most like a training image that are shown, and half as many held-out ones."""
    largest_held_out: int = 1000
    """Held-out images that are searched for."""

    position: ClassVar[int] = 90
    measures: ClassVar[tuple[Measure, ...]] = (
        Measure(
            "copies", "Copies of training images", "private", "lower", "share",
            Criterion(
                "copies",
                "Share of synthetic images that are copies of training images, above what held-out real images let "
                "expect with a probability of 99 %. Images that are a training image to the pixel are always bad.",
                0.0, 0.01, _unexplained, "no more images are like a training image than held-out real images are",
                "images are copies of training images",
            ),
        ),
    )  # fmt: skip

    def compute(self, sets: ImageSets, settings: MeasureSettings) -> Measurement:
        """Return the share of copies, the nearest training image of each synthetic one, and the worst pairs.

        Held-out real images say what is unusual: those of ``real`` that are not in ``train``. Without ``train``, only
        images that are a real image to the pixel are named.
        """
        if sets.train is None:
            return self._find_real(sets)
        search = CopySearch(sets.train.whole)
        matches, identical = _named_by_content(sets, sets.train, search.find(sets.synthetic.whole))
        rng = np.random.default_rng(settings.seed)
        places = np.sort(rng.permutation(sets.held_out)[: self.largest_held_out])
        held_out = search.find(sets.real.whole[places]) if len(places) >= FEWEST else None
        findings = _Findings(sets, sets.train, matches, identical, places, held_out)
        limit = fit_copy_limit(held_out, settings.false_alarm) if held_out else None
        flagged = identical | (limit.flagged(matches) if limit else nearly_identical(matches))
        pairs, pictures = self._pairs(findings, limit, flagged)
        columns = [
            [f"{correlation:.6f}" for correlation in matches.correlation],
            [sets.train.files[k] for k in matches.index],
            [str(int(flag)) for flag in flagged] if limit or flagged.any() else [""] * len(flagged),
            [matches.kind(k) if flag else "" for k, flag in enumerate(flagged)],
        ]
        nothing = np.empty(0)
        return Measurement(
            [self._metric(findings, limit, flagged, settings.false_alarm)],
            copies=pairs,
            columns=dict(zip(_COLUMNS, columns, strict=True)),
            arrays={
                "correlation": limit.scores(matches) if limit else nothing,
                "held_out": limit.scores(held_out) if limit and held_out else nothing,
                "limit": np.array(limit.score if limit else np.nan),
                "pairs": _as_bytes(pictures),
            },
        )

    def checks(self, measurement: Measurement, thresholds: Mapping[str, float]) -> list[Check]:
        """Return the check of the share; what is a training image to the pixel is bad whatever the share."""
        (check,) = super().checks(measurement, thresholds)
        metric = measurement.metrics[0]
        details, outcome, sentence = metric.details, check.outcome, check.sentence
        count = f"of {metric.num_synthetic} synthetic images"
        others = details.get("held_out_flagged", 0), details.get("held_out", 0)
        compared = f"of {others[1]:.0f} held-out real images, {others[0]:.0f} are"
        told = False
        if details["identical"]:
            outcome = "bad"
            identical = [pair for pair in measurement.copies if pair.identical]
            names = f": {_named(identical)}" if identical else ""
            further = ""
            if details["flagged"] > details["identical"]:
                more = f"{details['flagged'] - details['identical']:.0f} more are copies of one, changed"
                further = f"; {more} ({compared})" if "held_out" in details else f"; {more}"
            which = "training" if details["has_train"] else "real"
            what = f"the same as a {which} image to the pixel"
            sentence = f"{details['identical']:.0f} {count} are {what}{names}{further}{_among_real(metric)}"
        elif "limit" not in details and details["flagged"]:
            outcome = "look"
            sentence = (
                f"{details['flagged']:.0f} {count} are nearly a training image ({_named(measurement.copies)}), "
                "and there are too few held-out real images to tell how unusual that is"
            )
        elif outcome in ("look", "bad"):
            copies = f"{details['flagged']:.0f} {count} are copies of training images{share_detail(metric)}"
            sentence = f"{copies}; {compared}; {_named(measurement.copies)}{_among_real(metric)}"
        elif outcome == "good":
            good = f"{details['flagged']:.0f} {count} are more like a training image than is usual; {compared}"
            outcome, sentence = _second_look(metric, measurement.copies, good)
            told = details["flagged"] > 0
        elif metric.refused:
            sentence = metric.refused
        suffices = ENOUGH if outcome == "unknown" and details["has_train"] else 0
        facts = {"outcome": outcome, "sentence": sentence, "suffices": suffices, "told": told}
        return [check.model_copy(update=facts)]

    def _find_real(self, sets: ImageSets) -> Measurement:
        matches, same = _named_by_content(sets, sets.real, CopySearch(sets.real.whole).find(sets.synthetic.whole))
        count = int(same.sum())
        details = {"identical": float(count), "flagged": float(count), "has_train": 0.0}
        reason = "" if count else "no training images were given: name them with --train to search for copies"
        metric = self.metric(
            "copies", sets, share(count, len(same)) if count else None, refused=reason, details=details
        )
        pairs, pictures = worst_pairs(
            sets.synthetic, sets.real, matches, matches.nearness, min(count, self.pairs), same, same, same
        )
        columns = dict.fromkeys(_COLUMNS, [""] * len(same)) | {"copy": ["1" if flag else "" for flag in same]}
        arrays = {"correlation": np.empty(0), "held_out": np.empty(0), "limit": np.array(np.nan)}
        return Measurement([metric], copies=pairs, columns=columns, arrays=arrays | {"pairs": _as_bytes(pictures)})

    def _metric(self, findings: "_Findings", limit: CopyLimit | None, flagged: Flags, false_alarm: float) -> Metric:
        sets, held_out = findings.sets, findings.held_out
        details = {"identical": float(findings.identical.sum()), "flagged": float(flagged.sum()), "has_train": 1.0}
        value = share(int(flagged.sum()), len(flagged))
        if limit is None or held_out is None:
            reason = "" if flagged.any() else _too_few(len(findings.places), held_out)
            metric = self.metric("copies", sets, None if reason else value, refused=reason, details=details)
            return metric.model_copy(update={"num_real": len(findings.places), "num_subjects": 0})
        others, beyond, others_beyond = limit.flagged(held_out), limit.beyond(findings.matches), limit.beyond(held_out)
        groups = [sets.synthetic.subjects, sets.real.subjects[findings.places]]
        details |= {
            "held_out": float(len(held_out)), "held_out_flagged": float(others.sum()),
            "near_duplicates": float(limit.near_duplicates),
            "held_out_copies": float(nearly_identical(held_out).sum()), "false_alarm": limit.false_alarm,
            "beyond": float(beyond.sum()), "held_out_beyond": float(others_beyond.sum()),
            "by_chance": share_by_chance(flagged, others, groups),
            "unexplained_beyond": unexplained_share(beyond, others_beyond, groups), "limit": limit.score,
        }  # fmt: skip
        floor = share(int(others.sum()), len(others))
        note = _note(limit, flagged, others, false_alarm)
        metric = self.metric("copies", sets, value, floor, note=note, details=details)
        return metric.model_copy(update={"num_real": len(held_out), "num_subjects": 0})

    def _pairs(
        self, findings: "_Findings", limit: CopyLimit | None, flagged: Flags
    ) -> tuple[list[CopyPair], list[NDArray[np.float16]]]:
        sets, train, matches, held_out = findings.sets, findings.train, findings.matches, findings.held_out
        order = limit.scores(matches) if limit else matches.nearness
        order = order + 1e3 * findings.identical + 1e2 * flagged
        beyond = findings.identical | (limit.beyond(matches) if limit else flagged)
        shown = worst_pairs(sets.synthetic, train, matches, order, self.pairs, flagged, findings.identical, beyond)
        if limit is None or held_out is None:
            return shown
        others = worst_pairs(
            sets.real, train, held_out, limit.scores(held_out), self.pairs // 2, limit.flagged(held_out),
            surely_identical(held_out), limit.beyond(held_out), places=findings.places,
        )  # fmt: skip
        return shown[0] + others[0], shown[1] + others[1]


@dataclass(frozen=True)
class _Findings:
    """What the search gave: matches of the synthetic and of the held-out images, at ``places`` of the real ones."""

    sets: ImageSets
    train: ImageSetFeatures
    matches: Matches
    identical: Flags
    places: Indices
    held_out: Matches | None


def _named_by_content(sets: ImageSets, train: ImageSetFeatures, matches: Matches) -> tuple[Matches, Flags]:
    """Return the matches with files of the same bytes as their own, and which images are a training image."""
    known = {content: place for place, content in enumerate(train.content)}
    index, same = matches.index.copy(), np.zeros(len(matches), dtype=bool)
    for place, content in enumerate(sets.synthetic.content):
        if content in known:
            index[place], same[place] = known[content], True
    correlation = np.where(same, 1.0, matches.correlation)
    second = np.where(same, index, matches.second)
    named = replace(
        matches, index=index, second=second, correlation=correlation, flip=np.where(same, 0, matches.flip),
        turn=np.where(same, 0, matches.turn), inverted=matches.inverted & ~same,
    )  # fmt: skip
    return named, same | surely_identical(named)


def _as_bytes(pictures: Sequence[NDArray[np.float16]]) -> NDArray[np.uint8]:
    return np.rint(np.asarray(pictures, dtype=np.float32) * 255).astype(np.uint8)


def _too_few(count: int, held_out: Matches | None) -> str:
    enough = f"{FEWEST} are needed to tell what is unusual, {ENOUGH} for a limit of 1 %"
    if not count:
        return f"all real images are training images; {enough}: give other real images"
    if held_out is None:
        return f"only {count} real images are not among the training images; {enough}: give other real images"
    return (
        f"of {count} held-out real images fewer than {FEWEST} are unlike every training image; {enough}: "
        "give more real images, of other patients"
    )


def _note(limit: CopyLimit, flagged: Flags, others: Flags, false_alarm: float) -> str:
    parts = [
        f"{flagged.sum()} of {len(flagged)} synthetic and {others.sum()} of {len(others)} held-out real images are "
        f"more like a training image than {1 - limit.false_alarm:.1%} of {limit.num_held_out} held-out images are"
    ]
    if limit.near_duplicates:
        what = "held-out images are nearly training images and did not decide on the limit"
        parts.append(f"{limit.near_duplicates} {what}")
    if limit.false_alarm > false_alarm * 1.01:
        wanted = f"a limit of {false_alarm:.0%} needs {round(2 / false_alarm)} held-out images"
        parts.append(f"{wanted}, so it was widened to {limit.false_alarm:.1%}")
    return "; ".join(parts)


def _among_real(metric: Metric) -> str:
    """Return that real images are copies of training images, too, which no model made, where some are."""
    details = metric.details
    if not details.get("held_out_copies"):
        return ""
    count = f"{details['held_out_copies']:.0f} of {details['held_out']:.0f} held-out ones"
    what = "the real images hold near-duplicates of training images, too"
    return f"; {what} ({count}), and such pairs need not come from the model: compare again without them"


def _second_look(metric: Metric, pairs: Sequence[CopyPair], good: str) -> tuple[Outcome, str]:
    """Return what single images say where the two shares do not differ."""
    details = metric.details
    if details["beyond"] and (not details["held_out_beyond"] or details["unexplained_beyond"]):
        what = "are nearer to a training image than held-out real images get"
        return "look", f"{details['beyond']:.0f} of {metric.num_synthetic} synthetic images {what}: {_named(pairs)}"
    leaked = details["near_duplicates"] / details["held_out"]
    if leaked > _LEAK:
        what = "are nearly training images: give held-out images of other patients"
        return "look", f"{leaked:.1%} of the held-out real images {what}"
    return "good", good


def _named(pairs: Sequence[CopyPair]) -> str:
    """Return the first flagged images with the training images that they are copies of."""
    flagged = [pair for pair in pairs if pair.flagged and not pair.held_out]
    names = [f"{_end(pair.synthetic)} is {_end(pair.training)} ({pair.kind})" for pair in flagged[:_NAMED]]
    return ", ".join(names) + (" and others" if len(flagged) > _NAMED else "")


def _end(path: str) -> str:
    """Return the last two parts of a path."""
    return "/".join(path.replace("\\", "/").split("/")[-2:])
