"""Images of all sets on one grid of values and pixels, as planes in a file that is mapped into memory.

Volumes become three stacks of slices (axial, coronal, sagittal), evenly spaced and symmetrical about the middle.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.scan import Progress
from gandlf_synth.data.inspection.fingerprint import Fingerprint, fingerprint
from gandlf_synth.data.processing.transforms.spatial import ToCanonical
from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.evaluation.pixels import hashed, read_pixels, read_sample
from gandlf_synth.evaluation.request import EvaluationRequest
from gandlf_synth.evaluation.sources import ImageSet
from gandlf_synth.provenance import digest

_VERSION = 1
_OUTER = 0.7
"""Slices of a volume are taken from this middle share of it."""
_WILD = 4.0
"""Ratio between the 90th and 10th percentile of the images' ranges from which one window does not fit all."""
_TAILS = (0.5, 99.5)
_MAX_STACK_SIZE = 128

STACKS = ("axial", "coronal", "sagittal")


@dataclass(frozen=True)
class Grid:
    """How every image is brought to comparable planes.

    Args:
        size: rows and columns.
        spatial_dims: 2 or 3, of the images.
        slices: per stack.
        column_channels: channels of each CSV column.
        low, high: the window per channel; None: each image's own 0.5th and 99.5th percentile.
    """

    size: tuple[int, int]
    spatial_dims: int
    slices: int
    column_channels: tuple[int, ...]
    low: tuple[float, ...] | None
    high: tuple[float, ...] | None

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
        windows = ", ".join(f"{low:g} to {high:g}" for low, high in zip(self.low, self.high, strict=True))
        return f"one window for all images, clipped: {windows}"

    @property
    def resize_rule(self) -> str:
        """How planes get their size."""
        slices = f"{self.slices} slices in each of three directions, " if self.spatial_dims == len(STACKS) else ""
        return f"{slices}bilinear with antialiasing to {self.size[0]}×{self.size[1]} pixels"


@dataclass(frozen=True)
class PlaneSet:
    """The planes of a set.

    Args:
        name: ``real``, ``synthetic`` or ``train``.
        pixels: ``(n, stacks, slices, channels, rows, columns)`` float16 in [0, 1], mapped from a file.
        samples: where each image comes from.
        content: a hash of the bytes of each image's files.
        key: stands for all of it, to cache what is computed from it.
    """

    name: str
    pixels: NDArray[np.float16]
    samples: tuple[Sample, ...]
    content: tuple[str, ...]
    key: str

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.samples)

    @property
    def subjects(self) -> NDArray[np.str_]:
        """The subject of each image."""
        return np.array([sample.subject for sample in self.samples])

    @property
    def labels(self) -> list[str] | None:
        """The class name of each image, or None where any has none."""
        names = [s.label_name or (str(s.label) if s.label is not None else "") for s in self.samples]
        return names if all(names) else None

    def stack(self, index: int) -> NDArray[np.float16]:
        """Return the planes of one stack, ``(n · slices, channels, rows, columns)``."""
        own = self.pixels[:, index]
        return own.reshape(-1, *own.shape[2:])


def choose_grid(sources: Sequence[ImageSet], request: EvaluationRequest) -> tuple[Grid, list[str]]:
    """Return the grid on which all sets are compared, and notes on it.

    The size is the smaller of the real and the synthetic images' median sizes, so that neither gains detail.

    Raises:
        DataError: every unusable file; sets of different dimensions or channels.
    """
    scans = {path: scan for source in sources for path, scan in source.scans.items()}
    whole = fingerprint([source.manifest for source in sources], scans)
    own = [fingerprint([source.manifest], scans) for source in sources[:2]]
    size, notes = _size(own, whole.spatial_dims, request)
    low, high = _window(whole, own, sources[0], request)
    slices = request.slices if whole.spatial_dims == len(STACKS) else 1
    notes += list(whole.notes)
    return Grid(size, whole.spatial_dims, slices, whole.column_channels, low, high), notes


def _size(own: Sequence[Fingerprint], dims: int, request: EvaluationRequest) -> tuple[tuple[int, int], list[str]]:
    shapes = [facts.shape for facts in own]
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
    whole: Fingerprint, own: Sequence[Fingerprint], real: ImageSet, request: EvaluationRequest
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    if request.intensity == "per-image":
        return None, None
    if own[0].dtype == own[1].dtype == "uint8":
        return (0.0,) * whole.num_channels, (255.0,) * whole.num_channels
    spans = np.array(
        [
            high - low
            for sample in real.manifest.samples
            for low, high in [(real.scans[sample.channels[0]].low[0], real.scans[sample.channels[0]].high[0])]
        ]
    )
    tenth, ninetieth = np.percentile(spans, [10, 90])
    if request.intensity == "auto" and ninetieth > _WILD * max(tenth, 1e-12):
        return None, None
    return own[0].low, own[0].high


def read_planes(source: ImageSet, grid: Grid, cache: Path, progress: Progress) -> PlaneSet:
    """Return the planes of ``source``, from the cache when the same files were read on the same grid before.

    Raises:
        ResourceError: the disk is full.
    """
    samples = source.manifest.samples
    content = hashed(samples, progress, source.name)
    key = digest([_VERSION, asdict(grid), content])
    path = cache / "evaluation" / f"planes-{key}.npy"
    pixels = read_pixels(path, samples, grid.shape, lambda sample: _planes(sample, grid), progress, source.name)
    return PlaneSet(source.name, pixels, samples, content, key)


def _planes(sample: Sample, grid: Grid) -> NDArray[np.float16]:
    return to_planes(read_sample(sample, grid.column_channels), grid)


def to_planes(image: Image, grid: Grid) -> NDArray[np.float16]:
    """Return an image's planes, ``(stacks, slices, channels, rows, columns)`` in [0, 1], upright."""
    values = to_unit(image.array, grid)
    if grid.spatial_dims != len(STACKS):
        return _resized(values.swapaxes(-1, -2)[None], grid.size)[None]
    upright = ToCanonical()(image.with_values(values)).array[:, ::-1, ::-1, ::-1]
    return np.stack([_resized(_slices(upright, axis, grid.slices), grid.size) for axis in (3, 2, 1)])


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


def _slices(volume: NDArray[np.float32], axis: int, count: int) -> NDArray[np.float32]:
    """Return ``count`` slices across ``axis`` of ``(channels, x, y, z)``, ``(count, channels, rows, columns)``."""
    last = volume.shape[axis] - 1
    places = np.rint(np.linspace((1 - _OUTER) / 2, (1 + _OUTER) / 2, count) * last if count > 1 else [last / 2])
    planes = np.stack([volume.take(int(place), axis=axis) for place in places])
    return planes.swapaxes(-1, -2)


def _resized(planes: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float16]:
    tensor = torch.from_numpy(np.ascontiguousarray(planes))
    if tuple(tensor.shape[-2:]) != size:
        tensor = functional.interpolate(tensor, size, mode="bilinear", antialias=True, align_corners=False)
    return tensor.clamp(0, 1).numpy().astype(np.float16)
