"""Whether the written preprocessing fits the units of the data: a window for 8 bits turns pictures of 16 bits white."""

from collections.abc import Iterator, Sequence

import numpy as np

from gandlf_synth.config import Step
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.processing.base import Transform
from gandlf_synth.data.processing.pipeline import make_transform
from gandlf_synth.data.processing.transforms.intensity import Clip, Rescale, Threshold

_LEAST_KEPT = 0.125
"""Share of the images' range that a window keeps; CT may be seen through narrower ones."""

Window = tuple[float | None, float | None]


def cut_off(steps: Sequence[Step], data: Fingerprint) -> list[str]:
    """Return what the written ``steps`` cut off of the images' values, where it is most of them.

    Only steps that see the values of the files are judged: those up to the first that normalizes.
    """
    columns = [column for column, count in enumerate(data.column_channels) for _ in range(count)]
    found = []
    for step in steps:
        transform = make_transform(step)
        for channel, (low, high) in _windows(transform, len(columns)):
            first, last = data.low[channel], data.high[channel]
            ends = np.clip([first if low is None else low, last if high is None else high], first, last)
            is_ct = data.units[columns[channel]].unit == "hounsfield"
            if last > first and ends[1] - ends[0] < _LEAST_KEPT * (last - first) and not is_ct:
                limits = " to ".join("any" if end is None else f"{end:g}" for end in (low, high))
                found.append(
                    f"{step.name} keeps values of {limits}, and those of Channel_{columns[channel]} span {first:g} to "
                    f"{last:g}: most of every image is cut off; is the window for another number of bits or unit?"
                )
        if transform.normalizes:
            break
    return list(dict.fromkeys(found))


def _windows(transform: Transform, channels: int) -> Iterator[tuple[int, Window]]:
    """Yield the channels of which a step keeps only a range of values, with that range."""
    if isinstance(transform, Clip | Threshold):
        yield from ((channel, (transform.min, transform.max)) for channel in range(channels))
    if isinstance(transform, Rescale):
        given = transform.in_min_max
        windows = given if isinstance(given, list) else [given] * channels
        yield from ((channel, window) for channel, window in enumerate(windows[:channels]) if window is not None)
