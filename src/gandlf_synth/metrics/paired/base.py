"""What a paired metric is, and what all have in common: the voxels that count and the range of the values.

Every metric takes the original, the reconstruction, float ``(channels, *shape)``, and a mask ``(*shape)`` or None. It
returns one number. Only voxels inside the mask count; what a reconstruction holds outside changes nothing. A metric
that has no value for a pair returns nan.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.config.component import Component
from gandlf_synth.config.signature import bind, factory_of

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]
PairedMetric = Callable[[Array, Array, Mask | None], float]
Limits = tuple[float, float]

DataRange = float | Limits | Literal["original", "both"]
"""The values that a metric takes for the whole range.

A number is the length of the range, two numbers are its ends. ``original``: from the smallest to the largest value of
the original, inside the mask. ``both``: the larger of the ranges of the two whole images.
"""


def build_paired_metric(name: str, parameters: Mapping[str, object] | None = None, where: str = "") -> PairedMetric:
    """Return the metric registered as ``name`` with its parameters given.

    Args:
        name: of the group ``paired_metrics``.
        parameters: such as ``{"data_range": 4095}``; None: its own.
        where: the place in the configuration, for messages.

    Raises:
        ConfigError: no metric has that name, or a parameter does not suit it.

    >>> psnr = build_paired_metric("peak_signal_noise_ratio", {"data_range": 10})
    >>> psnr(np.array([[0.0, 2.0]]), np.array([[1.0, 3.0]]), None)
    20.0
    """
    component = Component.model_validate({"name": name, **(parameters or {})})
    return bind(factory_of("paired_metrics", component, where or "metrics"), component, where or f"metrics.{name}")


def value_limits(original: Array, reconstruction: Array, mask: Mask | None, data_range: DataRange) -> Limits:
    """Return the lowest and the highest value of a range; they differ by 1 where all values are one.

    >>> image = np.array([[0.0, 2.0, 9.0]])
    >>> value_limits(image, image, np.array([True, True, False]), "original"), value_limits(image, image, None, 100)
    ((0.0, 2.0), (0.0, 100.0))
    """
    if isinstance(data_range, tuple):
        return data_range
    counted = voxels_inside(original, mask)
    low = float(counted.min())
    if data_range == "original":
        span = float(counted.max()) - low
    elif data_range == "both":
        span = float(max(np.ptp(original), np.ptp(reconstruction)))
    else:
        span = float(data_range)
    return low, low + (span or 1.0)


def voxels_inside(image: Array, mask: Mask | None) -> Array:
    """Return the values that count, ``(channels, voxels)``, in double precision.

    >>> voxels_inside(np.array([[1, 2, 3]]), np.array([True, False, True])).tolist()
    [[1.0, 3.0]]
    """
    values: Array = image.reshape(len(image), -1) if mask is None else image[:, mask]
    return values.astype(np.float64)


def alike_outside(original: Array, reconstruction: Array, mask: Mask | None) -> Array:
    """Return the reconstruction with the values of the original where they do not count."""
    return reconstruction if mask is None else np.where(mask, reconstruction, original)


def boxed(original: Array, reconstruction: Array, mask: Mask | None) -> tuple[Array, Array]:
    """Return both images in the box around the mask, alike outside the mask; for metrics that want whole images.

    >>> original, other = np.zeros((1, 4)), np.ones((1, 4))
    >>> boxed(original, other, np.array([False, True, False, True]))[1].tolist()
    [[1.0, 0.0, 1.0]]
    """
    if mask is None:
        return original, reconstruction
    box = (slice(None), *(slice(places.min(), places.max() + 1) for places in np.nonzero(mask)))
    return original[box], alike_outside(original, reconstruction, mask)[box]
