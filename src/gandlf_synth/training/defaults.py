"""The automatic choices: each has a value, and the reason in a reader's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from operator import le
from typing import Generic, Literal, TypeVar

import numpy as np

from gandlf_synth.config import ComputeConfig, LabelingParadigm, Step
from gandlf_synth.config.schema import Precision
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.inspection.units import Units, raise_shown
from gandlf_synth.data.processing.pipeline import sets_spacing
from gandlf_synth.data.table.manifest import Manifest, paradigm
from gandlf_synth.errors import listing
from gandlf_synth.training.cost import in_words
from gandlf_synth.training.request import ENDLESS

MULTIPLE = 8
CAPS = {("cpu", 2): 64, ("cpu", 3): 32, ("gpu", 2): 256, ("gpu", 3): 96}
"""Longest side that trains in reasonable time: a step of a few seconds at most."""
CT_WINDOW = (-1000.0, 1000.0)
"""Hounsfield units; as in MAISI (Guo et al. 2024, arXiv:2409.11169). Metal above is clipped."""
_DISTORTION = 0.05
"""How much more an image may be enlarged along one axis than along another: sizes are multiples of 8."""
_MOST_GRIDS = 10
_STEPS_PER_GRID = 500
_MANY_STEPS = "small, since this family learns by many steps"
_CPU_BATCH, _GPU_BATCH = {2: 8, 3: 4}, {2: 64, 3: 8}
_CPU_VOXELS_PER_STEP = 16 * 64 * 64
_GPU_BYTES_PER_VALUE = 6_000
"""Memory of a training step per input value, about what a U-Net with 32 to 64 channels needs."""

T = TypeVar("T", covariant=True)  # noqa: PLC0105


@dataclass(frozen=True)
class Choice(Generic[T]):
    """An automatic choice.

    Args:
        key: the dotted key of the configuration.
        value: what was chosen.
        reason: why, for the person who reads the resolved configuration.
    """

    key: str
    value: T
    reason: str


@dataclass(frozen=True)
class Device:
    """What training will run on."""

    kind: Literal["cpu", "gpu"]
    memory_bytes: int
    native_bf16: bool


def detect_device(compute: ComputeConfig) -> Device:
    """Return the device that ``compute`` will use on this machine."""
    import psutil
    import torch

    if compute.accelerator != "cpu" and torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory
        return Device("gpu", memory, torch.cuda.is_bf16_supported(including_emulation=False))
    native = bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return Device("cpu", psutil.virtual_memory().available, native)


def choose_dimensions(data: Fingerprint) -> Choice[int]:
    """Choose the number of spatial dimensions."""
    return Choice("model_config.n_dimensions", data.spatial_dims, "the images' own")


def choose_channels(data: Fingerprint) -> Choice[int]:
    """Choose the number of channels of one sample."""
    columns = len(data.column_channels)
    if columns > 1:
        reason = f"{columns} columns in the CSV"
    elif data.is_colour:
        reason = "colour pictures"
    else:
        reason = "one grey value per voxel" if data.num_channels == 1 else "the images' own"
    return Choice("model_config.n_channels", data.num_channels, reason)


def choose_paradigm(train: Manifest) -> Choice[LabelingParadigm]:
    """Choose what the model is conditioned on."""
    labels = len(train.labels)
    reason = f"the CSV's Label column has {labels} values" if labels else "the CSV has no Label column"
    return Choice("model_config.labeling_paradigm", paradigm(train), reason)


def choose_modality(data: Fingerprint) -> Choice[Literal["rad", "histo"]]:
    """Choose between radiology and histopathology."""
    if data.is_colour:
        return Choice("modality", "histo", "colour pictures")
    return Choice("modality", "rad", "not colour pictures")


def choose_shape(data: Fingerprint, device: Device) -> Choice[list[int]]:
    """Choose the size that the network sees: the images' own where they share one grid and the device allows it.

    Otherwise it has the images' proportions, no more voxels than they have, and is capped for the device.
    """
    cap = CAPS[device.kind, data.spatial_dims]
    size = "×".join(str(length) for length in data.shape)
    limit = f"{cap} is the longest side that a {device.kind.upper()} trains in reasonable time"
    if data.spacing and max(data.largest_shape) <= cap:
        own = [max(MULTIPLE, length) for length in data.largest_shape]
        padded = "" if data.smallest_shape == tuple(own) else ", padded to one size"
        return Choice("model_config.tensor_shape", own, f"images are {size}: their own voxels{padded}; {limit}")
    extent = np.array(data.largest_extent)
    longest = min(cap, rounded(max(data.shape)))
    wanted = [rounded(longest * length) for length in extent / extent.max()]
    shape = [max(MULTIPLE, min(pair)) for pair in zip(wanted, data.largest_shape, strict=True)]
    rounds = any(own % MULTIPLE and not side % MULTIPLE for own, side in zip(data.shape, shape, strict=True))
    steps = f", and sides are multiples of {MULTIPLE}" if rounds else ""
    return Choice("model_config.tensor_shape", shape, f"images are {size}{steps}; {limit}")


def rounded(length: float) -> int:
    """Return a length as a multiple of what networks divide by, not shorter."""
    return int(np.ceil(length / MULTIPLE - 1e-6)) * MULTIPLE


def choose_orientation(data: Fingerprint) -> Choice[list[Step]]:
    """Choose the step that lays all images alike."""
    reason = f"the files lie in several orientations: {listing(data.orientations)}"
    return Choice("data_preprocessing", [Step(name="to_canonical")], reason)


def choose_resizing(data: Fingerprint, shape: Sequence[int], *, isotropic: bool = False) -> Choice[list[Step]]:
    """Choose the steps that bring an image to ``shape`` without distorting it.

    Args:
        data: the facts of the images.
        shape: what the network sees.
        isotropic: whether voxels keep their proportions, because ``shape`` has others than the images.
    """
    size = list(shape)
    steps = [Step(name="to_canonical")] if data.orientations else []
    if _keeps_voxels(data, shape, padded=isotropic):
        reason = "the images' own voxels, padded where an image is smaller than this, not resampled"
        return Choice("data_preprocessing", [*steps, Step(name="crop_or_pad", parameters=size)], reason)
    if not data.physical:
        name, reason = "resize_and_pad", "pictures of other proportions than this: padded, not distorted"
        if data.same_aspect and _same_proportions(data.largest_extent, shape):
            name, reason = "resize", "pictures of these proportions"
        return Choice("data_preprocessing", [*steps, Step(name=name, parameters=size)], reason)
    resolution = [round(extent / length, 4) for extent, length in zip(data.largest_extent, shape, strict=True)]
    if isotropic:
        resolution = [max(resolution)] * len(resolution)
    steps += [Step(name="resample", parameters={"resolution": resolution}), Step(name="crop_or_pad", parameters=size)]
    reason = "the same voxel size for all subjects, at which the largest of them fits"
    return Choice("data_preprocessing", steps, reason)


def _keeps_voxels(data: Fingerprint, shape: Sequence[int], *, padded: bool) -> bool:
    """Say whether all images fit into ``shape`` as they are; ``padded``: with a margin of any width."""
    own = data.largest_shape
    exact = list(shape) == [max(MULTIPLE, length) for length in own]
    return bool(data.spacing) and (exact or (padded and all(map(le, own, shape))))


def _same_proportions(extent: Sequence[float], shape: Sequence[int]) -> bool:
    """Say whether ``extent`` is brought to ``shape`` by much the same factor along every axis."""
    factors = [length / own for length, own in zip(shape, extent, strict=True)]
    return max(factors) / min(factors) - 1 < _DISTORTION


def choose_final_resizing(steps: Sequence[Step], shape: Sequence[int]) -> Choice[list[Step]]:
    """Choose the step that brings an image to ``shape`` after ``steps``, which set no size or another."""
    step = Step(name="crop_or_pad" if sets_spacing(steps) else "resize_and_pad", parameters=list(shape))
    return Choice("data_preprocessing", [step], "the steps in data_preprocessing set no size, or another one")


def choose_normalization(data: Fingerprint, *, sources: bool = False) -> Choice[list[Step]]:
    """Choose the step that brings intensities to [-1, 1], by one window for all images where they share a unit.

    Args:
        data: the facts of the images.
        sources: whether what they are made from goes through the step, too.

    Raises:
        DataError: every image that is in another unit than most of its column.
    """
    units = [*data.units, *(data.source_units if sources else ())]
    raise_shown([problem for one in units for problem in one.problems])
    windows = [_window_of(one) for one in units]
    reasons = list(dict.fromkeys(reason for _, reason in windows))
    if len(reasons) > 1:
        names = [f"Channel_{number}" for number in range(len(data.units))]
        names += [f"Source_{number}" for number in range(len(data.source_units))]
        reasons = [f"{name}: {reason}" for name, (_, reason) in zip(names, windows, strict=False)]
    counts = [*data.column_channels, *(data.source_channels if sources else ())]
    ends = [window for (window, _), count in zip(windows, counts, strict=True) for _ in range(count)]
    parameters: dict[str, object] = {}
    if any(ends):
        same = ends.count(ends[0]) == len(ends)
        parameters["in_min_max"] = ends[0] if same else ends
    if not all(ends):
        parameters["percentiles"] = [0.5, 99.5]
    step = Step(name="rescale", parameters={**parameters, "out_min_max": [-1.0, 1.0]})
    return Choice("data_preprocessing", [step], "; ".join(reasons))


def _window_of(units: Units) -> tuple[list[float] | None, str]:
    """Return the values that become -1 and 1, None for each image's own, and why."""
    if units.unit == "hounsfield":
        low, high = CT_WINDOW
        window = f"the same window of {low:g} to {high:g} HU for all images, from air to dense bone"
        return [low, high], f"CT: {window}; {units.evidence}"
    if units.unit == "full_scale":
        return [0.0, float(units.full_scale)], f"{units.evidence}: the whole scale of 0 to {units.full_scale:g}"
    return None, f"{units.evidence}: each channel of each image by its own 0.5th and 99.5th percentile"


def choose_batch_size(
    shape: Sequence[int], channels: int, samples: int, device: Device, smallest: int = 1, largest: int = 32
) -> Choice[int]:
    """Choose a batch size, a power of two up to 32, that the device's speed (CPU) or memory (GPU) allows.

    On a CPU, it is at least ``smallest``: time that the family needs in order to learn at all is not saved.
    """
    values = prod(shape) * channels
    if device.kind == "cpu":
        limit = _CPU_VOXELS_PER_STEP / prod(shape)
        reason = "a training step of about a second on a CPU"
        if limit < smallest:
            limit, reason = smallest, f"fewer than {smallest} in a batch teach this family little variety"
    else:
        limit = 0.5 * device.memory_bytes / (values * _GPU_BYTES_PER_VALUE)
        reason = "about half of the GPU's memory"
    size = 2 ** int(np.clip(np.log2(max(limit, 1)), 0, 5))
    if size > largest:
        size, reason = largest, _MANY_STEPS
    while size > max(1, samples):
        size //= 2
    return Choice("batch_size", max(2, size) if samples > 1 else 1, reason)


def choose_batch_for_steps(
    shape: Sequence[int], samples: int, device: Device, smallest: int = 1, largest: int = 64
) -> Choice[int]:
    """Choose the batch size of networks that are chosen, too: small on a CPU, where steps count more than images."""
    dims = len(shape)
    if device.kind == "cpu":
        size, reason = max(_CPU_BATCH[dims], smallest), "small, so that a CPU takes many steps"
    else:
        size, reason = _GPU_BATCH[dims], "keeps a GPU busy"
    if size > largest:
        size, reason = largest, _MANY_STEPS
    while size > max(1, samples):
        size //= 2
    return Choice("batch_size", size, reason)


def choose_endless(seconds: float) -> Choice[int]:
    """Choose more epochs than fit into so many ``seconds``."""
    return Choice("num_epochs", ENDLESS, f"the clock ends the training, after {in_words(seconds)}")


def choose_grid_interval(epochs: int, steps_per_epoch: float) -> Choice[int]:
    """Choose the epochs between sample grids; a grid costs as much as dozens of training steps."""
    every = min(epochs, int(np.ceil(max(epochs / _MOST_GRIDS, _STEPS_PER_GRID / steps_per_epoch))))
    reason = f"at most {_MOST_GRIDS} grids, {_STEPS_PER_GRID} training steps apart"
    return Choice("model_config.save_eval_images_every_n_epochs", every, reason)


def choose_grids_by_the_clock() -> Choice[int | Literal["tenth"]]:
    """Choose grids by the share of the run that is over: nobody knows after how many epochs the clock ends it."""
    reason = "the clock ends the training: a grid after each tenth of it, as far as they take a tenth of the time"
    return Choice("model_config.save_eval_images_every_n_epochs", "tenth", reason)


def choose_no_average(strategy: str) -> Choice[float]:
    """Choose to do without the average of the weights, where ``strategy`` shares them out among devices."""
    return Choice("model_config.ema_decay", 0.0, _shared_out(strategy))


def choose_no_grids(strategy: str) -> Choice[int]:
    """Choose to do without sample grids, where ``strategy`` shares the weights out among devices."""
    return Choice("model_config.save_eval_images_every_n_epochs", -1, _shared_out(strategy))


def _shared_out(strategy: str) -> str:
    return f"{strategy} shares the weights out, and no process holds all of them"


def choose_precision(device: Device) -> Choice[Precision]:
    """Choose the number format for training."""
    kind = device.kind.upper()
    if device.native_bf16:
        reason = f"this {kind} computes bfloat16 natively, which is faster and as stable as 32 bits"
        return Choice("compute.precision", "bf16-mixed", reason)
    return Choice("compute.precision", "32-true", f"this {kind} has no native bfloat16")
