"""How whole-slide images are cut into patches."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PatchGrid:
    """Squares side by side.

    Args:
        size: pixels of a side.
        magnification: at which they are read.
        tissue_fraction: the share of a patch that must be tissue.
    """

    size: int
    magnification: float
    tissue_fraction: float = 0.5
