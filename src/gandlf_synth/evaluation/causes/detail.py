"""Fine detail that differs from real images: less resolution, blur, noise, sharpening."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from gandlf_synth.evaluation.causes.appearance import Planes
from gandlf_synth.evaluation.causes.degradation import ComparedPlanes, Degradation, clipped

_FACTORS = (1.5, 2.0, 3.0, 4.0)
_WIDTHS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.4, 2.8, 3.4, 4.0)
_NOISES = (0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.13, 0.17, 0.25)
_SHARPENING = (0.5, 1.0, 2.0)
_IMPULSES = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1)


def details(compared: ComparedPlanes) -> Iterator[Degradation]:
    """Give the changes of fine detail that may have been done."""
    seed = compared.seed
    for factor in _FACTORS:
        sentence = f"resolution is lower: as in real images that were reduced to 1/{factor:g} and enlarged again"
        for mode in ("bilinear", "bicubic", "nearest"):
            yield Degradation("resolution", sentence, _reduce(factor, mode, antialias=True))
        yield Degradation("resolution", sentence, _reduce(factor, "bilinear", antialias=False))
    for width in _WIDTHS:
        sentence = f"images are blurred, as real ones are by a Gaussian of {width:g} pixels"
        yield Degradation("blur", sentence, _blur(width))
    for level in _NOISES:
        sentence = f"images are noisy, as real ones are with noise of {level:.0%} of the range"
        yield Degradation("noise", sentence, _noise(level, seed))
        yield Degradation("noise", f"{sentence} that grows with brightness", _noise(level, seed, speckle=True))
    for amount in _SHARPENING:
        yield Degradation("sharpened", "edges are too sharp, as after sharpening", _sharpen(amount))
    for share in _IMPULSES:
        sentence = f"single pixels are black or white (salt-and-pepper noise): {share:.1%} of them"
        yield Degradation("impulse_noise", sentence, _strike(share, seed))


def _reduce(factor: float, mode: str, *, antialias: bool) -> Callable[[Planes], Planes]:
    def reduce(planes: Planes) -> Planes:
        flat = torch.from_numpy(np.ascontiguousarray(planes)).flatten(0, 1)
        size = [max(1, round(length / factor)) for length in flat.shape[-2:]]
        small = functional.interpolate(flat, size, mode="bilinear", antialias=antialias)
        large = functional.interpolate(small, flat.shape[-2:], mode=mode)
        return clipped(large.reshape(planes.shape).numpy())

    return reduce


def _blur(width: float) -> Callable[[Planes], Planes]:
    return lambda planes: ndimage.gaussian_filter(planes, (0, 0, 0, width, width), mode="nearest")


def _noise(level: float, seed: int, *, speckle: bool = False) -> Callable[[Planes], Planes]:
    def add(planes: Planes) -> Planes:
        noise = np.random.default_rng(seed).normal(0, level, planes.shape)
        return clipped(planes + noise * (2 * planes if speckle else 1))

    return add


def _sharpen(amount: float) -> Callable[[Planes], Planes]:
    return lambda planes: clipped(planes + amount * (planes - _blur(1.0)(planes)))


def _strike(share: float, seed: int) -> Callable[[Planes], Planes]:
    def strike(planes: Planes) -> Planes:
        chance = np.random.default_rng(seed).random((*planes.shape[:2], 1, *planes.shape[3:]), dtype=np.float32)
        black, white = chance < share / 2, chance > 1 - share / 2
        return clipped(np.where(black, 0, np.where(white, 1, planes)))

    return strike
