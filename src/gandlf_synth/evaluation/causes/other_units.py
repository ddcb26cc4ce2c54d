"""Values in another unit, as a cause: a factor or an offset that lies between the files of two sets."""

from collections.abc import Sequence

from gandlf_synth.evaluation.causes.cause import Cause
from gandlf_synth.evaluation.set_units import OTHER_UNIT, UnitDifference


def find_other_units(differences: Sequence[UnitDifference]) -> list[Cause]:
    """Return that the synthetic images are in another unit, if they are.

    Each set is then compared in its own window, so that nothing else follows from it. It is bad within one number type,
    where a program that reads both sets cannot know of it.
    """
    return [
        Cause(
            name="units", question="faithful", outcome="bad" if difference.same_type else "look",
            sentence=difference.reason, strength=difference.ratio, limit=OTHER_UNIT,
        )
        for difference in differences
        if difference.name == "synthetic" and difference.reason
    ]  # fmt: skip
