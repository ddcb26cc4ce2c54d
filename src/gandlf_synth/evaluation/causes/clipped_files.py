"""Whether files are clipped: a whole share of an image's values lies at one end of its range.

The window in which images are compared clips too, so that only the files can tell.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.formats.scan import FileScan
from gandlf_synth.evaluation.image_sets import ImageSet

_MORE = 0.15
"""Share of the files by which more synthetic than real ones must be clipped."""
Ends = tuple[bool, bool]
"""Whether the dark end is clipped, and the bright one."""


def clipped_ends(real: ImageSet, synthetic: ImageSet) -> Ends:
    """Return at which end many more synthetic than real files are clipped."""
    more = _shares(synthetic) - _shares(real) > _MORE
    return bool(more[0]), bool(more[1])


def _shares(source: ImageSet) -> NDArray[np.float64]:
    scans = [source.scans[path] for sample in source.manifest.samples for path in sample.channels]
    shares: NDArray[np.float64] = np.mean([_ends(scan) for scan in scans], axis=0)
    return shares


def _ends(scan: FileScan) -> Sequence[bool]:
    """Return whether 0.5 % of the values and more are the smallest, and the largest."""
    if not scan.low or scan.largest <= scan.smallest:
        return False, False
    return min(scan.low) <= scan.smallest, max(scan.high) >= scan.largest
