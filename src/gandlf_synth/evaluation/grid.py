"""The grid on which all sets are compared: size, slices, channels and the window of values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.data.inspection.fingerprint import Fingerprint, fingerprint
from gandlf_synth.data.inspection.units import check_depths
from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.errors import DataError, Problem, listing
from gandlf_synth.evaluation.image_sets import ImageSet
from gandlf_synth.evaluation.request import EvaluationRequest
from gandlf_synth.evaluation.set_units import (
    UnitDifference,
    Window,
    images_in_other_units,
    is_beyond,
    told,
    unit_differences,
)
from gandlf_synth.metrics.slicing import STACKS

_WILD = 4.0
"""Ratio between the 90th and 10th percentile of the images' ranges from which one window does not fit all."""
_TAILS = (0.5, 99.5)
_MAX_STACK_SIZE = 128


@dataclass(frozen=True)
class Grid:
    """How every image is brought to comparable planes.

    Args:
        size: rows and columns.
        spatial_dims: 2 or 3, of the images.
        slices: per stack.
        column_channels: channels of each CSV column.
        low, high: the window per channel; None: each image's own 0.5th and 99.5th percentile.
        own: the windows of sets in other units than the real images, by the sets' names.
        odd: the windows of images in other units than their set, by their first file.
    """

    size: tuple[int, int]
    spatial_dims: int
    slices: int
    column_channels: tuple[int, ...]
    low: tuple[float, ...] | None
    high: tuple[float, ...] | None
    own: Mapping[str, Window] = field(default_factory=dict)
    odd: Mapping[str, Window] = field(default_factory=dict)

    def of(self, name: str) -> "Grid":
        """Return the grid for the set ``name``, whose window may be its own."""
        if name not in self.own:
            return replace(self, own={})
        low, high = self.own[name]
        return replace(self, low=low, high=high, own={})

    def of_image(self, sample: Sample) -> "Grid":
        """Return the grid for an image, whose window may be its own."""
        window = self.odd.get(str(sample.channels[0]))
        return self if window is None else replace(self, low=window[0], high=window[1], odd={})

    @property
    def shape(self) -> tuple[int, ...]:
        """Stacks, slices, channels, rows and columns of an image."""
        stacks = len(STACKS) if self.spatial_dims == len(STACKS) else 1
        return (stacks, self.slices, sum(self.column_channels), *self.size)

    @property
    def intensity_rule(self) -> str:
        """How values become [0, 1]."""
        if self.low is None or self.high is None:
            return "each image and channel by its own 0.5th and 99.5th percentile, clipped"
        if not self.own:
            return f"one window for all images, clipped: {told((self.low, self.high))}"
        others = "; ".join(f"{name} {told(window)}" for name, window in self.own.items())
        return f"sets in different units, each in its own window, clipped: {told((self.low, self.high))}; {others}"

    @property
    def resize_rule(self) -> str:
        """How planes get their size."""
        slices = f"{self.slices} slices in each of three directions, " if self.spatial_dims == len(STACKS) else ""
        return f"{slices}bilinear with antialiasing to {self.size[0]}×{self.size[1]} pixels"


@dataclass(frozen=True)
class GridChoice:
    """The grid on which all sets are compared, and why a person should care.

    Args:
        grid: the grid.
        differences: sets whose units differ.
        cautions: what limits that which can be told.
        facts: how the files were read.
    """

    grid: Grid
    differences: list[UnitDifference]
    cautions: list[str]
    facts: list[str]


def choose_grid(sources: Sequence[ImageSet], request: EvaluationRequest) -> GridChoice:
    """Return the grid on which all sets are compared.

    The size is the smaller of the real and the synthetic images' median sizes, so that neither gains detail.

    Raises:
        DataError: every unusable file; sets of different dimensions or channels; real images of one value each.
    """
    scans = {path: scan for source in sources for path, scan in source.scans.items()}
    whole = fingerprint([source.unmasked for source in sources], scans)
    both = [fingerprint([source.unmasked], scans) for source in sources[:2]]
    _check_content(sources[0])
    size, cautions = _size(both, whole.spatial_dims, request)
    low, high = _window(whole, both, sources[0], request)
    differences: list[UnitDifference] = []
    odd: dict[str, Window] = {}
    facts = {source.name: fingerprint([source.unmasked], scans) for source in sources}
    if low is None and request.intensity == "auto":
        differences = [
            replace(difference, window=None, warning=difference.short_warning)
            for difference in unit_differences(facts, common=False)
            if is_beyond(sources[0], facts[difference.name])
        ]
    if low is not None and high is not None:
        for source in sources:
            check_depths([source.manifest], source.scans)
        differences = unit_differences(facts, common=request.intensity == "common")
        if any(difference.window for difference in differences):
            low, high = both[0].low, both[0].high
        if request.intensity != "common":
            for source in sources:
                found = images_in_other_units(source, facts[source.name])
                odd |= found
                cautions += _odd_notes(source, found)
    own = {difference.name: difference.window for difference in differences if difference.window}
    slices = request.slices if whole.spatial_dims == len(STACKS) else 1
    grid = Grid(size, whole.spatial_dims, slices, whole.column_channels, low, high, own, odd)
    return GridChoice(grid, differences, cautions, list(whole.notes))


def _check_content(real: ImageSet) -> None:
    """Refuse real images that all hold one value: nothing can be compared with them."""
    scans = [real.scans[path] for sample in real.manifest.samples for path in sample.channels]
    if all(low == high for scan in scans for low, high in zip(scan.low, scan.high, strict=True)):
        what = f"holds {len(scans)} real images of one value each"
        raise DataError(Problem(str(real.path), what, "images that show something", "look at the files"))


def _odd_notes(source: ImageSet, odd: Mapping[str, Window]) -> list[str]:
    if not odd:
        return []
    count = f"{len(odd)} of {len(source.manifest.samples)} {source.name} images are in another unit than the others"
    return [f"{count}, and each is judged in its own window: {listing(sorted(odd), 5)}"]


def _size(both: Sequence[Fingerprint], dims: int, request: EvaluationRequest) -> tuple[tuple[int, int], list[str]]:
    shapes = [facts.shape for facts in both]
    notes = []
    if shapes[0] != shapes[1]:
        notes.append(
            f"median sizes differ: real {shapes[0]}, synthetic {shapes[1]}; both are compared at the smaller, "
            "so detail beyond it is not judged"
        )
    smaller = np.min(shapes, axis=0)
    if dims == len(STACKS):
        side = int(min(max(smaller), request.max_size, _MAX_STACK_SIZE))
        return (side, side), notes
    scale = min(1.0, request.max_size / max(smaller))
    columns, rows = (max(1, round(float(length) * scale)) for length in smaller)
    return (rows, columns), notes


def _window(
    whole: Fingerprint, both: Sequence[Fingerprint], real: ImageSet, request: EvaluationRequest
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    if request.intensity == "per-image":
        return None, None
    if both[0].dtype == both[1].dtype == "uint8":
        return (0.0,) * whole.num_channels, (255.0,) * whole.num_channels
    scans = [real.scans[sample.channels[0]] for sample in real.manifest.samples]
    spans = np.array([scan.high[0] - scan.low[0] for scan in scans])
    tenth, ninetieth = np.percentile(spans, [10, 90])
    if request.intensity == "auto" and ninetieth > _WILD * max(tenth, 1e-12):
        return None, None
    return both[0].low, both[0].high


def to_unit(array: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """Return ``array (channels, *shape)`` with its values in [0, 1]."""
    channels = array.shape[0]
    if grid.low is None or grid.high is None:
        low, high = np.percentile(array.reshape(channels, -1), _TAILS, axis=1)
    else:
        low, high = np.array(grid.low), np.array(grid.high)
    axes = (slice(None), *(None,) * (array.ndim - 1))
    span = np.where(high > low, high - low, 1.0)
    unit: NDArray[np.float32] = ((array - low[axes]) / span[axes]).clip(0, 1).astype(np.float32)
    return unit
