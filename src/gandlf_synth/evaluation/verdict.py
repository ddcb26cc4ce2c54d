"""The four answers in plain words: every metric against its thresholds, the worst check decides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gandlf_synth.evaluation.results import Check, ClassRow, Metric, Outcome, Question, Verdict
from gandlf_synth.evaluation.thresholds import Thresholds

_ORDER: tuple[Outcome, ...] = ("good", "unknown", "look", "bad")
_TITLES: dict[Question, str] = {
    "faithful": "Do they look real?",
    "diverse": "Do they cover the variety?",
    "private": "Are patients safe from being copied?",
    "useful": "Do they help?",
}
_ANSWERS: dict[tuple[Question, Outcome], str] = {
    ("faithful", "good"): "Yes: by these measures they are close to real images.",
    ("faithful", "look"): "Nearly: some measures differ visibly from real images.",
    ("faithful", "bad"): "No: they differ clearly from real images.",
    ("diverse", "good"): "Yes: they spread about as widely as the real images.",
    ("diverse", "look"): "Partly: some of the variety is missing.",
    ("diverse", "bad"): "No: much of the variety is missing.",
    ("private", "good"): "No copies of training images were found.",
    ("private", "look"): "There are signs of memorised training images: look at the pairs.",
    ("private", "bad"): "No: training images were copied or can be recognised. Do not share these images.",
    ("private", "unknown"): "Unknown.",
    ("useful", "good"): "Yes: a classifier learns from them nearly as well as from real images.",
    ("useful", "look"): "Partly: a classifier learns less from them than from real images.",
    ("useful", "bad"): "No: a classifier learns much less from them than from real images.",
}


@dataclass(frozen=True)
class _Rule:
    """How a metric becomes a check.

    Args:
        metric: its name.
        threshold: the stem of the threshold's name.
        compare: metric → the number compared with the thresholds.
        higher: whether high numbers are good.
        good, bad: what it means.
    """

    metric: str
    threshold: str
    compare: Callable[[Metric], float]
    higher: bool
    good: str
    bad: str


def _above_floor(metric: Metric) -> float:
    return metric.value.value - metric.floor.value if metric.value and metric.floor else float("nan")


def _over_floor(metric: Metric) -> float:
    return metric.value.value / max(metric.floor.value, 1e-6) if metric.value and metric.floor else float("nan")


def _surely_above_floor(metric: Metric) -> float:
    """Return how far the interval's lower end lies above the floor: what chance cannot explain."""
    return max(0.0, metric.value.low - metric.floor.value) if metric.value and metric.floor else float("nan")


def _low_end(metric: Metric) -> float:
    return metric.value.low if metric.value else float("nan")


_RULES = (
    _Rule(
        "kid",
        "kid",
        _above_floor,
        False,
        "features are distributed like real ones",
        "features are distributed unlike real ones",
    ),
    _Rule(
        "precision",
        "precision_of_floor",
        _over_floor,
        True,
        "images lie among the real ones",
        "many images lie where no real one does",
    ),
    _Rule(
        "spectrum",
        "spectrum",
        _above_floor,
        False,
        "sharpness and noise are as in real images",
        "sharpness or noise differs",
    ),
    _Rule("histogram", "histogram", _above_floor, False, "intensities are as in real images", "intensities differ"),
    _Rule("texture", "texture", _above_floor, False, "texture is as in real images", "texture differs"),
    _Rule(
        "recall",
        "recall_of_floor",
        _over_floor,
        True,
        "real images are found among the synthetic ones",
        "many real images have no like among the synthetic ones (recall)",
    ),
    _Rule(
        "coverage",
        "coverage_of_floor",
        _over_floor,
        True,
        "real neighbourhoods are filled",
        "many real neighbourhoods are empty (coverage)",
    ),
    _Rule(
        "ms_ssim",
        "likeness",
        _above_floor,
        False,
        "images differ among themselves as real ones do",
        "images are more alike than real ones: mode collapse?",
    ),
    _Rule(
        "duplicates", "duplicates", _surely_above_floor, False, "hardly any image is repeated", "images are repeated"
    ),
    _Rule(
        "copies",
        "copies",
        _surely_above_floor,
        False,
        "no more images are close to a training image than held-out ones are",
        "images are copies of training images",
    ),
    _Rule(
        "membership",
        "membership",
        _low_end,
        False,
        "an attacker cannot tell who was in the training data",
        "an attacker can tell who was in the training data",
    ),
    _Rule(
        "train_synthetic",
        "usefulness",
        _over_floor,
        True,
        "a classifier trained on them works on real images",
        "a classifier trained on them does worse on real images",
    ),
)


def verdicts(metrics: Sequence[Metric], per_class: Sequence[ClassRow], thresholds: Thresholds) -> list[Verdict]:
    """Return the answer to each of the four questions."""
    found = {metric.name: metric for metric in metrics}
    checks: dict[Question, list[Check]] = {question: [] for question in _TITLES}
    for rule in _RULES:
        if rule.metric in found:
            metric = found[rule.metric]
            checks[metric.question].append(_check(rule, metric, thresholds))
    checks["diverse"] += _class_checks(per_class, thresholds)
    return [_verdict(question, own) for question, own in checks.items()]


def title(question: Question) -> str:
    """Return the question as it is asked."""
    return _TITLES[question]


def _check(rule: _Rule, metric: Metric, thresholds: Thresholds) -> Check:
    good, bad = (getattr(thresholds, f"{rule.threshold}_{end}") for end in ("good", "bad"))
    if metric.refused:
        return Check(
            metric=rule.metric,
            outcome="unknown",
            compared=None,
            good=good,
            bad=bad,
            sentence=f"{metric.title}: {metric.refused}",
        )
    compared = rule.compare(metric)
    outcome = _outcome(compared, good, bad, rule.higher)
    sentence = rule.good if outcome == "good" else rule.bad + _detail(metric)
    return Check(metric=rule.metric, outcome=outcome, compared=compared, good=good, bad=bad, sentence=sentence)


def _outcome(compared: float, good: float, bad: float, higher: bool) -> Outcome:
    if compared != compared:  # noqa: PLR0124
        return "unknown"
    if (compared >= good) if higher else (compared <= good):
        return "good"
    return "bad" if ((compared <= bad) if higher else (compared >= bad)) else "look"


def _detail(metric: Metric) -> str:
    """Return which way a spectrum or a histogram differs."""
    if metric.name == "spectrum":
        excess = float(metric.note.split(":")[1].split("dB")[0])
        return (
            f": too little fine detail ({excess:+.1f} dB: blur)"
            if excess < 0
            else f": too much fine detail ({excess:+.1f} dB: noise or checkerboard)"
        )
    if metric.name in {"histogram", "texture"}:
        return f": {metric.note}"
    if metric.name in {"copies", "duplicates"} and metric.value:
        return f": {metric.value.value:.1%} of them ({metric.value.low:.1%} to {metric.value.high:.1%})"
    return ""


def _class_checks(rows: Sequence[ClassRow], thresholds: Thresholds) -> list[Check]:
    """Return a check per class that is hardly covered, or one that all are."""
    good, bad = thresholds.coverage_of_floor_good, thresholds.coverage_of_floor_bad
    checks = []
    for row in rows:
        ratio = row.coverage.value / max(row.floor.value, 1e-6)
        outcome: Outcome = "bad" if row.num_synthetic == 0 else _outcome(ratio, good, bad, higher=True)
        if outcome != "good":
            none = ", which has no synthetic image" if row.num_synthetic == 0 else ""
            sentence = f"class {row.name!r} is covered at {ratio:.0%} of what real images would{none}"
            checks.append(
                Check(metric="class_coverage", outcome=outcome, compared=ratio, good=good, bad=bad, sentence=sentence)
            )
    return checks


def _verdict(question: Question, checks: list[Check]) -> Verdict:
    if not any(check.outcome != "unknown" for check in checks):
        reason = checks[0].sentence if checks else "nothing was measured"
        return Verdict(question=question, outcome="unknown", sentence=f"Unknown: {reason}.", checks=checks)
    worst = max((check.outcome for check in checks), key=_ORDER.index)
    worst = "good" if worst == "unknown" else worst
    reasons = [check.sentence for check in checks if check.outcome == worst and worst != "good"]
    answer = _ANSWERS[question, worst]
    sentence = f"{answer} {_sentence(reasons)}" if reasons else answer
    return Verdict(question=question, outcome=worst, sentence=sentence, checks=checks)


def _sentence(reasons: Sequence[str]) -> str:
    text = "; ".join(reasons)
    return text[:1].upper() + text[1:] + "."
