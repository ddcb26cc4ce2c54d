"""Classes without a synthetic image, which lowers recall and coverage too."""

from gandlf_synth.evaluation.causes.cause import Cause
from gandlf_synth.metrics.image_set import ImageSets


def find_missing_classes(sets: ImageSets) -> list[Cause]:
    """Return the classes of the real images of which there is no synthetic one, as one cause."""
    if not sets.real.labels or not sets.synthetic.labels:
        return []
    names = sorted(set(sets.real.labels or ()))
    gone = [name for name in names if name not in set(sets.synthetic.labels or ())]
    if not gone or len(gone) == len(names):
        return []
    counts = ", ".join(
        f"{name!r} ({(sets.real.labels or []).count(name) / len(sets.real):.0%} of the real images)" for name in gone
    )
    sentence = f"class{'es' if len(gone) > 1 else ''} {counts} {'have' if len(gone) > 1 else 'has'} no synthetic image"
    explains = ("class_coverage", "recall", "coverage", "kid", "fid")
    return [
        Cause(
            name="missing_class", question="diverse", outcome="bad", sentence=sentence, strength=float(len(gone)),
            limit=1.0, explains=explains,
        )
    ]  # fmt: skip
