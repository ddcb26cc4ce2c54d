"""The automatic choices: each returns a value and the reason in a reader's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from gandlf_synth.config import ComputeConfig, Step
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.launcher import usable_cores

_MULTIPLE = 8
_CAPS = {("cpu", 2): 64, ("cpu", 3): 32, ("gpu", 2): 256, ("gpu", 3): 96}
"""Longest side that trains in reasonable time: a step of a few seconds at most."""
CT_WINDOW = (-1000.0, 1000.0)
"""Hounsfield units; as in MAISI (Guo et al. 2024, arXiv:2409.11169). Metal above is clipped."""
_MOST_GRIDS = 10
_STEPS_PER_GRID = 500
_CPU_VOXELS_PER_STEP = 16 * 64 * 64
_GPU_BYTES_PER_VALUE = 6_000
"""Memory of a training step per input value, about what a U-Net with 32 to 64 channels needs."""


@dataclass(frozen=True)
class Device:
    """What training will run on."""

    kind: str
    """``cpu`` or ``gpu``."""
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


def default_shape(data: Fingerprint, device: Device) -> tuple[list[int], str]:
    """Return the size that the network sees: the images' proportions, at most their size, capped for the device."""
    cap = _CAPS[device.kind, data.spatial_dims]
    extent = np.array(data.largest_extent)
    longest = min(cap, _rounded(max(data.shape)))
    shape = [max(_MULTIPLE, _rounded(longest * length)) for length in extent / extent.max()]
    size = "×".join(str(length) for length in data.shape)
    return shape, f"images are {size}; {cap} is the longest side that a {device.kind.upper()} trains in reasonable time"


def _rounded(length: float) -> int:
    return int(np.ceil(length / _MULTIPLE - 1e-6)) * _MULTIPLE


def default_resizing(data: Fingerprint, shape: Sequence[int]) -> tuple[list[Step], str]:
    """Return the steps that bring an image to ``shape`` without distorting it."""
    size = list(shape)
    if not data.physical:
        if data.same_aspect:
            return [Step(name="resize", parameters=size)], "pictures of the same proportions"
        return [
            Step(name="resize_and_pad", parameters=size)
        ], "pictures of different proportions: padded, not distorted"
    resolution = [round(extent / length, 4) for extent, length in zip(data.largest_extent, shape, strict=True)]
    steps = [Step(name="to_canonical")] if data.spatial_dims == 3 else []
    steps += [Step(name="resample", parameters={"resolution": resolution}), Step(name="crop_or_pad", parameters=size)]
    return steps, "the same voxel size for all subjects, at which the largest of them fits"


def default_normalisation(data: Fingerprint) -> tuple[Step, str]:
    """Return the step that brings intensities to [-1, 1]."""
    out = [-1.0, 1.0]
    if data.modality == "CT":
        low, high = CT_WINDOW
        step = Step(name="rescale", parameters={"in_min_max": [low, high], "out_min_max": out})
        return step, f"CT: the same window of {low:g} to {high:g} HU for all images, from air to dense bone"
    if data.dtype == "uint8" and not data.physical:
        step = Step(name="rescale", parameters={"in_min_max": [0.0, 255.0], "out_min_max": out})
        return step, "8-bit pictures: their whole range"
    step = Step(name="rescale", parameters={"percentiles": [0.5, 99.5], "out_min_max": out})
    return step, "units differ between images: each channel of each image by its own 0.5th and 99.5th percentile"


def default_batch_size(
    shape: Sequence[int], channels: int, samples: int, device: Device, smallest: int = 1
) -> tuple[int, str]:
    """Return a batch size, a power of two up to 32, that the device's speed (CPU) or memory (GPU) allows.

    On a CPU, it is at least ``smallest``: time that the family needs in order to learn at all is not saved.
    """
    values = prod(shape) * channels
    if device.kind == "cpu":
        limit = _CPU_VOXELS_PER_STEP / prod(shape)
        reason = "a training step of about a second on a CPU"
        if limit < smallest:
            limit, reason = smallest, f"fewer than {smallest} teach this family little variety"
    else:
        limit = 0.5 * device.memory_bytes / (values * _GPU_BYTES_PER_VALUE)
        reason = "about half of the GPU's memory"
    size = 2 ** int(np.clip(np.log2(max(limit, 1)), 0, 5))
    while size > max(1, samples):
        size //= 2
    return max(2, size) if samples > 1 else 1, reason


def default_grid_interval(epochs: int, steps_per_epoch: float) -> tuple[int, str]:
    """Return the epochs between sample grids; a grid costs as much as dozens of training steps."""
    every = max(epochs / _MOST_GRIDS, _STEPS_PER_GRID / steps_per_epoch)
    return min(epochs, int(np.ceil(every))), f"at most {_MOST_GRIDS} grids, {_STEPS_PER_GRID} training steps apart"


def default_precision(device: Device) -> tuple[str, str]:
    """Return the number format for training."""
    if device.native_bf16:
        return (
            "bf16-mixed",
            f"this {device.kind.upper()} computes bfloat16 natively, which is faster and as stable as 32 bits",
        )
    return "32-true", f"this {device.kind.upper()} has no native bfloat16"


def loader_workers() -> int:
    """Return the number of worker processes for batches that are not cut from memory: most of this process's cores."""
    return max(1, min(8, usable_cores() - 1))
