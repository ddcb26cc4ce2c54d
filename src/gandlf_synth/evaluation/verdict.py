"""The answers in plain words: every registered measure against its thresholds, and the worst check decides.

Several measures are judged at once: the chance that any of them is bad by chance alone is kept below 5 % (Holm 1979).
What is named as the reason is the cause that was recognized, and not what follows from it.
"""

from collections.abc import Sequence
from typing import get_args

from gandlf_synth.evaluation.causes.cause import Cause
from gandlf_synth.evaluation.results import Verdict
from gandlf_synth.evaluation.thresholds import Thresholds
from gandlf_synth.metrics.results import Check, Measurement, Outcome, Question
from gandlf_synth.metrics.set_metric import SetMetric

_ORDER: tuple[Outcome, ...] = ("good", "unknown", "look", "bad")
_TITLES: dict[Question, str] = {
    "faithful": "Do they look real?",
    "diverse": "Do they cover the variety?",
    "private": "Are patients safe from being copied?",
    "useful": "Do they help?",
}
_MEASURED_CAUSES = {"wrong_labels": ("train_synthetic",)}
"""Measures that are causes themselves, with those that follow from them."""
_ANSWERS: dict[tuple[Question, Outcome], str] = {
    ("faithful", "good"): "Yes: by these measures they are close to real images.",
    ("faithful", "look"): "Nearly: some measures differ visibly from real images.",
    ("faithful", "bad"): "No: they differ clearly from real images.",
    ("diverse", "good"): "Yes: they spread about as widely as the real images.",
    ("diverse", "look"): "Partly: some of the variety is missing.",
    ("diverse", "bad"): "No: much of the variety is missing.",
    ("private", "good"): "Yes: no more synthetic images are like a training image than other real images are.",
    ("private", "look"): "There are signs of memorised training images: look at the pairs.",
    ("private", "bad"): "No: training images were copied or can be recognised. Do not share these images.",
    ("useful", "good"): "Yes: a classifier learns from them nearly as well as from real images.",
    ("useful", "look"): "Partly: a classifier learns less from them than from real images.",
    ("useful", "bad"): "No: a classifier learns much less from them than from real images.",
}


def verdicts(
    measured: Sequence[tuple[SetMetric, Measurement]], thresholds: Thresholds, causes: Sequence[Cause] = ()
) -> list[Verdict]:
    """Return the answer to each of the four questions.

    Args:
        measured: every set metric with what it found.
        thresholds: all of them by name.
        causes: what was recognized as wrong, the most fundamental first.
    """
    questions = {measure.name: measure.question for metric, _ in measured for measure in metric.measures}
    checks = [check for metric, measurement in measured for check in metric.checks(measurement, thresholds)]
    uses_features = {
        metric.name: bool(metric.extractor) for _, measurement in measured for metric in measurement.metrics
    }

    def place(check: Check) -> int:
        """Measures of features come first, then those of pixels, then what concerns a part of the images."""
        if check.metric not in uses_features:
            return 2
        return 0 if uses_features[check.metric] else 1

    checks = control_false_alarms(checks)
    checks.sort(key=place)
    return [
        _verdict(question, [check for check in checks if questions[check.metric] == question], causes)
        for question in get_args(Question)
    ]


def control_false_alarms(checks: Sequence[Check], level: float = 0.05) -> list[Check]:
    """Return the checks; those are no longer bad that chance explains, given how many numbers were looked at.

    Args:
        checks: of all measures; those without a ``p_value`` stay as they are.
        level: the chance that any of them is bad while all numbers are in truth good (Holm 1979).
    """
    tested = sorted((check.p_value, place) for place, check in enumerate(checks) if check.p_value is not None)
    sure: set[int] = set()
    for rank, (p_value, place) in enumerate(tested):
        if p_value > level / (len(tested) - rank):
            break
        sure.add(place)
    return [
        check.model_copy(update={"outcome": "look"})
        if check.outcome == "bad" and check.p_value is not None and place not in sure
        else check
        for place, check in enumerate(checks)
    ]


def question_title(question: Question) -> str:
    """Return the question as it is asked.

    >>> question_title("diverse")
    'Do they cover the variety?'
    """
    return _TITLES[question]


def _verdict(question: Question, checks: list[Check], causes: Sequence[Cause]) -> Verdict:
    named = [cause for cause in causes if cause.question == question]
    checks = [*(cause.check for cause in named), *checks]
    worst: Outcome = max((check.outcome for check in checks), key=_ORDER.index, default="unknown")
    decisive = [check for check in checks if check.outcome == "unknown" and check.suffices]
    if not any(check.outcome != "unknown" for check in checks) or (worst == "unknown" and decisive):
        reason = (decisive or checks)[0].sentence if checks else "nothing was measured"
        return Verdict(question=question, outcome="unknown", sentence=f"Unknown: {reason}.", checks=checks)
    worst = "good" if worst == "unknown" else worst
    if worst == "good":
        told = [check.sentence for check in checks if check.told]
        answer = " ".join([_ANSWERS[question, worst], *([_sentence(told)] if told else [])])
        return Verdict(question=question, outcome=worst, sentence=answer, checks=checks)
    followers = {name: cause for cause in reversed(causes) for name in cause.explains}
    measured = [check for check in checks if check.metric in _MEASURED_CAUSES and check.outcome in ("look", "bad")]
    explained = {*followers, *(name for check in measured for name in _MEASURED_CAUSES[check.metric])}
    reasons = [check for check in checks if check.outcome == worst]
    own = [check.sentence for check in reasons if check.metric not in explained]
    first = [*(cause.sentence for cause in named), *(check.sentence for check in measured)]
    if not first and not own:
        return _follows(question, checks, followers[reasons[0].metric])
    own = [sentence for sentence in own if sentence not in first]
    return Verdict(
        question=question,
        outcome=worst,
        sentence=f"{_ANSWERS[question, worst]} {_sentence([*first, *own])}",
        checks=checks,
    )


def _follows(question: Question, checks: list[Check], cause: Cause) -> Verdict:
    """Return the answer where all that is wrong follows from a cause that another question names: nothing is known."""
    hidden = "Unknown: what is measured here may follow from another cause, which hides the answer."
    sentence = f"{hidden} {_sentence([cause.sentence])} Mend it first, then evaluate again."
    return Verdict(question=question, outcome="unknown", sentence=sentence, checks=checks)


def _sentence(reasons: Sequence[str]) -> str:
    text = "; ".join(reasons)
    return text[:1].upper() + text[1:] + ("" if text.endswith("?") else ".")
