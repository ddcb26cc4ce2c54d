"""Whether two sets of images are in one unit.

Pictures of 8 and of 16 bits are not, nor is CT with and without its intercept. Such a set gets a window of its own, so
that the other unit is not taken for blur, for less contrast or for less variety.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.errors import option
from gandlf_synth.evaluation.image_sets import ImageSet

OTHER_UNIT = 8.0
"""Ratio of the ranges of two sets from which they are taken to be in different units."""
_ALIKE = 1.5
_SHIFTED = 0.25
"""Share of its range by which a set of a like range lies beside the other where an offset is missing."""

Window = tuple[tuple[float, ...], tuple[float, ...]]
"""Per channel, the values that become 0 and 1."""


@dataclass(frozen=True)
class UnitDifference:
    """A set that is in another unit than the real images.

    Args:
        name: of the set.
        warning: what to read before every number.
        reason: the same in short, as the cause of what a card says; empty where it is no more than a question.
        window: in which the set is compared; None: that of the real images.
        same_type: whether its number type is that of the real images, so that nothing else tells the units apart.
        ratio: how many times its range is that of the real images, or theirs its.
    """

    name: str
    warning: str
    reason: str = ""
    window: Window | None = None
    same_type: bool = True
    ratio: float = 1.0

    @property
    def short_warning(self) -> str:
        """What to read where each image has a window of its own anyway."""
        return (
            f"different units: {self.reason}. Each image is compared in its own window" if self.reason else self.warning
        )


def unit_differences(facts: Mapping[str, Fingerprint], *, common: bool) -> list[UnitDifference]:
    """Return the sets that are in another unit than the real images, or may be.

    A unit is a factor or an offset: values are those of the real images times ten, or plus 1024. Images of a failed
    model, which are grey all over, are neither, however small their range is.

    Args:
        facts: of each set by its name, ``real`` among them.
        common: whether the reader has asked for one window.
    """
    found = (_difference(facts["real"], name, other, common=common) for name, other in facts.items())
    return [difference for difference in found if difference is not None]


def _difference(real: Fingerprint, name: str, other: Fingerprint, *, common: bool) -> UnitDifference | None:
    ratio, shift = _ratio(real, other), _shift(real, other)
    if ratio <= OTHER_UNIT and not shift:
        return None
    ranges, same_type = compared_ranges(real, name, other), other.dtype == real.dtype
    sure = bool(shift) or _is_factor(real, other) or not same_type
    what = f"{ranges}, and as if {shift:.4g} were added" if shift else ranges
    if common or not sure:
        warning = (
            f"are these different units? {what}. Both are compared in the window of the real images. If they "
            f"are, use {option('intensity')} per-image, and believe no number of this page"
        )
        return UnitDifference(name, warning, same_type=same_type, ratio=ratio)
    hint = ". Is an offset missing, such as the intercept -1024 of CT?" if shift else ""
    warning = (
        f"different units: {what}{hint}. Each set is compared in its own window, so nothing is said of overall "
        f"brightness and contrast. If both are in one unit, use {option('intensity')} common"
    )
    window = (other.low, other.high)
    return UnitDifference(name, warning, _reason(name, real, other, shift), window, same_type, ratio)


def _reason(name: str, real: Fingerprint, other: Fingerprint, shift: float) -> str:
    spans = f"{name} images span {_range(other)}, real images {_range(real)}"
    if shift:
        return f"values are in another unit: as if {shift:.4g} were added ({spans})"
    return f"values are in another unit, or have collapsed: {spans}, {_ratio(real, other):.3g} times apart"


def images_in_other_units(source: ImageSet, facts: Fingerprint) -> dict[str, Window]:
    """Return the windows of images whose values are those of their set times a number, by their first file.

    Args:
        source: the set.
        facts: of the whole set, whose range is that of the image in the middle.
    """
    usual = np.subtract(facts.high, facts.low)
    odd: dict[str, Window] = {}
    for sample in source.manifest.samples:
        scans = [source.scans[path] for path in sample.channels]
        low, high = (np.concatenate([getattr(scan, end) for scan in scans]) for end in ("low", "high"))
        if len(low) != len(usual) or (high <= low).any() or (usual <= 0).any():
            continue
        factor = (high - low) / usual
        same_zero = np.abs(low - factor * np.array(facts.low)) < _SHIFTED * (high - low)
        if same_zero.all() and ((factor > OTHER_UNIT).all() or (factor < 1 / OTHER_UNIT).all()):
            odd[str(sample.channels[0])] = (tuple(low.tolist()), tuple(high.tolist()))
    return odd


def is_beyond(real: ImageSet, facts: Fingerprint) -> bool:
    """Return whether a set's range is none that single real images have, where these have wild ranges themselves."""
    scans = [real.scans[sample.channels[0]] for sample in real.manifest.samples]
    ends = np.array([(scan.low[0], scan.high[0]) for scan in scans])
    lowest, highest = np.percentile(ends, [5, 95], axis=0)
    middle = np.array([facts.low[0], facts.high[0]])
    return bool(((middle < lowest) | (middle > highest)).any())


def compared_ranges(real: Fingerprint, name: str, other: Fingerprint) -> str:
    """Return the ranges of two sets and how many times apart they are, as text."""
    return f"real images span {_range(real)}, {name} images {_range(other)}: {_ratio(real, other):.3g} times apart"


def told(window: Window) -> str:
    """Return a window as text, such as ``0 to 255``; channels are parted by commas."""
    return ", ".join(f"{low:g} to {high:g}" for low, high in zip(*window, strict=True))


def _range(facts: Fingerprint) -> str:
    return f"{told((facts.low, facts.high))} ({facts.dtype})"


def _ratio(real: Fingerprint, other: Fingerprint) -> float:
    """Return how many times one set's range is the other's, 1 where a set has one value only."""
    spans = [np.subtract(facts.high, facts.low) for facts in (real, other)]
    larger, smaller = np.maximum(*spans), np.minimum(*spans)
    return float(np.divide(larger, smaller, out=np.ones_like(larger), where=smaller > 0).max())


def _shift(real: Fingerprint, other: Fingerprint) -> float:
    """Return what is added to all values of a set of a like range, 0 where it is little.

    Pictures of 8 bits have one scale, from black to white: where one set is brighter than another, it is no unit.
    """
    if real.dtype == other.dtype == "uint8":
        return 0.0
    low, high = np.subtract(other.low, real.low), np.subtract(other.high, real.high)
    apart = (np.minimum(np.abs(low), np.abs(high)) > _SHIFTED * np.subtract(real.high, real.low)) & (low * high > 0)
    return float(low[0] + high[0]) / 2 if apart.all() and _ratio(real, other) < _ALIKE else 0.0


def _is_factor(real: Fingerprint, other: Fingerprint) -> bool:
    """Return whether one set's values are the other's times a number, with zero at the same place."""
    spans = [np.subtract(facts.high, facts.low) for facts in (real, other)]
    if (np.minimum(*spans) <= 0).any():
        return False
    factor = spans[1] / spans[0]
    return bool((np.abs(np.subtract(other.low, factor * np.array(real.low))) < _SHIFTED * spans[1]).all())
