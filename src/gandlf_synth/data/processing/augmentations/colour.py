"""Augmentations of colour: of light, as cameras differ, and of stain, as laboratories do."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from gandlf_synth.data.processing.augmentations.ranges import Range
from gandlf_synth.data.processing.base import Augmentation, Shape

if TYPE_CHECKING:
    import torchio
    from torch import Tensor

_RGB = 3
_GREY = (0.299, 0.587, 0.114)
"""Luma of ITU-R BT.601."""
_DARKEST = 1 / 256


def _of_hue(value: float | tuple[float, ...]) -> float | tuple[float, ...]:
    ends = value if isinstance(value, tuple) else (-value, value)
    if min(ends) < -0.5 or max(ends) > 0.5:
        raise ValueError("a hue is turned by at most 0.5, half of the circle")
    return value


Hue = Annotated[Range, AfterValidator(_of_hue)]


class ColorJitter(Augmentation):
    """Changes brightness, contrast, saturation and hue, in random order; grey images only the first two.

    Example:
        >>> import torch
        >>> transform = ColorJitter().build((8, 8, 1))
        >>> transform(torch.rand(3, 8, 8, 1)).shape
        torch.Size([3, 8, 8, 1])
    """

    brightness: Range = 0.2
    """Factor: a number ``x`` stands for [1 - x, 1 + x]."""
    contrast: Range = 0.2
    """Factor of the distance to the mean grey."""
    saturation: Range = 0.2
    """Factor of the distance to each pixel's own grey."""
    hue: Hue = 0.05
    """Turn of the hue, as a share of the circle: a number ``x`` stands for [-x, x]."""

    def build(self, shape: Shape) -> "torchio.Transform":
        """Return a transform that draws the factors and their order."""
        import torchio

        factors = [_around_one(value) for value in (self.brightness, self.contrast, self.saturation)]
        hue = self.hue if isinstance(self.hue, tuple) else (-self.hue, self.hue)
        return torchio.Lambda(_Jitter([*factors, hue]))


def _around_one(value: float | tuple[float, ...]) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (max(0.0, 1 - value), 1 + value)


class _Jitter:
    """Draws and applies brightness, contrast, saturation and hue to ``(channels, *shape)`` in [0, 1]."""

    def __init__(self, ranges: list[tuple[float, ...]]) -> None:
        self._ranges = ranges

    def __call__(self, image: "Tensor") -> "Tensor":
        import torch

        steps: list[Callable[[Tensor, float], Tensor]] = [_brighter, _contrasted, _saturated, _turned]
        amounts = [float(torch.empty(()).uniform_(*ends)) for ends in self._ranges]
        for index in torch.randperm(len(steps)).tolist():
            image = steps[index](image, amounts[index]).clamp(0, 1)
        return image


def _brighter(image: "Tensor", factor: float) -> "Tensor":
    return image * factor


def _contrasted(image: "Tensor", factor: float) -> "Tensor":
    mean = _grey(image).mean()
    return mean + factor * (image - mean)


def _saturated(image: "Tensor", factor: float) -> "Tensor":
    grey = _grey(image)
    return grey + factor * (image - grey)


def _turned(image: "Tensor", amount: float) -> "Tensor":
    import torch
    from skimage.color import hsv2rgb, rgb2hsv

    if len(image) != _RGB:
        return image
    hsv = rgb2hsv(image.numpy(), channel_axis=0)
    hsv[0] = (hsv[0] + amount) % 1
    return torch.from_numpy(hsv2rgb(hsv, channel_axis=0)).to(image.dtype)


def _grey(image: "Tensor") -> "Tensor":
    if len(image) != _RGB:
        return image
    weighted: Tensor = (image * image.new_tensor(_GREY).reshape(_RGB, 1, 1, 1)).sum(dim=0, keepdim=True)
    return weighted


class HedTransform(Augmentation):
    """Varies the stains of H&E and DAB one by one (Tellez et al. 2018, IEEE TMI 37, section II-D).

    A picture is unmixed into optical densities of haematoxylin, eosin and DAB (Ruifrok & Johnston 2001); each becomes
    ``density · (1 + sigma) + bias``. The defaults are those of its light variant.

    Example:
        >>> import torch
        >>> transform = HedTransform().build((8, 8, 1))
        >>> transform(torch.rand(3, 8, 8, 1)).shape
        torch.Size([3, 8, 8, 1])
    """

    haematoxylin_bias_range: Range = 0.05
    """What is added to haematoxylin: a number ``x`` stands for [-x, x]."""
    haematoxylin_sigma_range: Range = 0.05
    """What haematoxylin grows by, as a share."""
    eosin_bias_range: Range = 0.05
    """What is added to eosin."""
    eosin_sigma_range: Range = 0.05
    """What eosin grows by, as a share."""
    dab_bias_range: Range = 0.05
    """What is added to DAB."""
    dab_sigma_range: Range = 0.05
    """What DAB grows by, as a share."""
    cutoff_range: Range = (0.15, 0.85)
    """Pictures whose mean lies outside, glass or ink, stay as they are."""

    def build(self, shape: Shape) -> "torchio.Transform":
        """Return a transform that draws the changes."""
        import torchio

        sigmas = [_around_zero(getattr(self, f"{stain}_sigma_range")) for stain in _STAINS]
        biases = [_around_zero(getattr(self, f"{stain}_bias_range")) for stain in _STAINS]
        cutoff = self.cutoff_range if isinstance(self.cutoff_range, tuple) else (self.cutoff_range, 1.0)
        return torchio.Lambda(_Restained(sigmas, biases, (cutoff[0], cutoff[1])))


_STAINS = ("haematoxylin", "eosin", "dab")


def _around_zero(value: float | tuple[float, ...]) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (-value, value)


class _Restained:
    def __init__(
        self, sigmas: list[tuple[float, ...]], biases: list[tuple[float, ...]], cutoff: tuple[float, float]
    ) -> None:
        self._sigmas, self._biases, self._cutoff = sigmas, biases, cutoff

    def __call__(self, image: "Tensor") -> "Tensor":
        import torch

        sigma = np.array([float(torch.empty(()).uniform_(*ends)) for ends in self._sigmas])
        bias = np.array([float(torch.empty(()).uniform_(*ends)) for ends in self._biases])
        low, high = self._cutoff
        if len(image) != _RGB or not low <= float(image.mean()) <= high:
            return image
        return torch.from_numpy(restained(image.numpy(), sigma, bias)).to(image.dtype)


def restained(
    picture: NDArray[np.float32], sigma: NDArray[np.float64], bias: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ``picture (3, *shape)``, RGB in [0, 1], with each stain's density times ``1 + sigma`` plus ``bias``."""
    from skimage.color import hed_from_rgb, rgb_from_hed

    density = -np.log(np.clip(np.moveaxis(picture, 0, -1), _DARKEST, 1))
    stains = density @ hed_from_rgb
    light = np.exp(-(stains * (1 + sigma) + bias) @ rgb_from_hed)
    changed: NDArray[np.float64] = np.clip(np.moveaxis(light, -1, 0), 0, 1)
    return changed
