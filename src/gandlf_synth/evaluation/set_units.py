"""Whether two sets of images are in one unit.

Pictures of 8 and of 16 bits are not, nor is CT with and without its intercept. Images of a model that has failed may
have a small range too. So only a set in another number type gets a window of its own; of the rest the reader is told.
"""

from collections.abc import Mapping

import numpy as np

from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.errors import option

_OTHER_UNIT = 8.0
"""Ratio of the ranges of two sets from which they are taken to be in different units."""
_ALIKE = 1.5
_SHIFTED = 0.25
"""Share of its range by which a set of a like range lies beside the other where an offset is missing."""

Window = tuple[tuple[float, ...], tuple[float, ...]]
"""Per channel, the values that become 0 and 1."""


def other_units(facts: Mapping[str, Fingerprint], *, common: bool) -> tuple[dict[str, Window], list[str]]:
    """Return the windows of the sets that are in another unit than the real images, and what to tell of it.

    Args:
        facts: of each set by its name, ``real`` among them.
        common: whether the reader has asked for one window.
    """
    real = facts["real"]
    own: dict[str, Window] = {}
    warnings = []
    for name, other in facts.items():
        ratio, shift = _ratio(real, other), _shift(real, other)
        ranges = compared_ranges(real, name, other)
        if ratio > _OTHER_UNIT and other.dtype != real.dtype and not common:
            own[name] = (other.low, other.high)
            warnings.append(
                f"different units: {ranges}. Each set is compared in its own window, so nothing is said of overall "
                f"brightness and contrast. If both are in one unit, use {option('intensity')} common"
            )
        elif ratio > _OTHER_UNIT:
            warnings.append(
                f"are these different units? {ranges}. Both are compared in the window of the real images. If they "
                f"are, use {option('intensity')} per-image, and believe no number of this page"
            )
        elif shift:
            warnings.append(
                f"are these different units? {ranges}, and as if {shift:.4g} were added. Is an offset missing, such "
                "as the intercept -1024 of CT? If so, believe no number of this page"
            )
    return own, warnings


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
    """Return what is added to all values of a set of a like range, 0 where it is little."""
    low, high = np.subtract(other.low, real.low), np.subtract(other.high, real.high)
    apart = (np.minimum(np.abs(low), np.abs(high)) > _SHIFTED * np.subtract(real.high, real.low)) & (low * high > 0)
    return float(low[0] + high[0]) / 2 if apart.all() and _ratio(real, other) < _ALIKE else 0.0
