"""The causes of what the measures see, named before anything that follows from them."""

from collections.abc import Mapping, Sequence

from gandlf_synth.evaluation.causes.cause import Cause
from gandlf_synth.evaluation.causes.changed_images import find_changed_images
from gandlf_synth.evaluation.causes.clipped_files import clipped_ends
from gandlf_synth.evaluation.causes.collapse import find_collapse
from gandlf_synth.evaluation.causes.color import find_other_colors
from gandlf_synth.evaluation.causes.missing_classes import find_missing_classes
from gandlf_synth.evaluation.causes.other_units import find_other_units
from gandlf_synth.evaluation.causes.outlier_images import find_outliers
from gandlf_synth.evaluation.causes.reproduction import cause_of, reproduce
from gandlf_synth.evaluation.image_sets import ImageSet
from gandlf_synth.evaluation.set_units import UnitDifference
from gandlf_synth.metrics.image_set import ImageSets

_SURE, _MANY = 0.8, 0.2
"""A change of all images that accounts for less gives way to a change of a larger share of them."""


def find_causes(
    sets: ImageSets,
    sources: Sequence[ImageSet],
    differences: Sequence[UnitDifference],
    thresholds: Mapping[str, float],
    seed: int,
) -> list[Cause]:
    """Return what is recognized as wrong with the synthetic images, the most fundamental first.

    Args:
        sets: the images.
        sources: their files, real ones first, synthetic ones second.
        differences: the sets that are in other units than the real images.
        thresholds: all of them by name.
        seed: of everything random.
    """
    colors = find_other_colors(sets)
    if colors:
        return [*find_other_units(differences), *colors, *find_missing_classes(sets)]
    reproduced = reproduce(sets, seed, clipped_ends(*sources[:2]), thresholds["difference_good"])
    changed = find_changed_images(sets) if reproduced is None or reproduced.explained < _SURE else []
    if any(cause.strength > _MANY for cause in changed):
        reproduced = None
    change = reproduced.degradation.apply if reproduced else None
    changed = [] if reproduced else changed
    known = {file for cause in changed for file in cause.images}
    odd = find_outliers(sets, change, thresholds["other_content_good"])
    outliers = [cause for cause in odd if not cause.images or not known.issuperset(cause.images)]
    if any(cause.name == "other_content" for cause in outliers):
        # What is unlike all real images, changed or not, was not changed in that way.
        reproduced, changed = None, []
    units = find_other_units(differences)
    if reproduced and reproduced.degradation.name == "inverted":
        # What is dark in an inverted image is bright in a real one: the offset between them is none of a unit.
        units = [cause for cause in units if cause.outcome != "bad"]
    return [
        *units,
        *([cause_of(reproduced, thresholds)] if reproduced else []),
        *changed,
        *outliers,
        *find_collapse(sets, change),
        *find_missing_classes(sets),
    ]
