"""Denoisers on images that are larger than what they were trained on: windows that are fused at every step."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from gandlf_synth.models.components.first_stage import apply_in_windows


def in_windows(denoiser: Callable[..., Tensor], window: Sequence[int], overlap: float) -> Callable[..., Tensor]:
    """Return a denoiser of images of any size, which denoises overlapping windows at every call and fuses them.

    All windows see one noisy image, so that they agree from the first step of sampling to the last; windows that are
    sampled apart and put together at the end leave seams (Bar-Tal et al. 2023, arXiv 2302.08113, eq. 5).

    Args:
        denoiser: (noisy, timesteps, **condition); see ``UNetDenoiser.forward``.
        window: voxels along each axis that it was trained on; smaller images go through whole.
        overlap: the share of a window that the next one covers too, in [0, 1).

    Example:
        >>> halve = in_windows(lambda noisy, timesteps: noisy / 2, window=(4, 4), overlap=0.5)
        >>> halve(torch.ones(1, 1, 7, 3), torch.tensor([10]))[0, 0, :, 0]
        tensor([0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000])
    """

    def denoise(noisy: Tensor, timesteps: Tensor, channels: Tensor | None = None, **condition: Tensor) -> Tensor:
        beside = condition if channels is None else {**condition, "channels": channels}
        if all(length <= most for length, most in zip(noisy.shape[2:], window, strict=True)):
            return denoiser(noisy, timesteps, **beside)
        # One image at a time: each window needs the timestep and the condition of its own.
        return torch.cat([
            _fused(denoiser, window, overlap, noisy[place], timesteps[place], _rows(beside, place))
            for place in (slice(start, start + 1) for start in range(len(noisy)))
        ])  # fmt: skip

    return denoise


def _rows(condition: Mapping[str, Tensor], place: slice) -> dict[str, Tensor]:
    return {name: part[place] for name, part in condition.items()}


def _fused(
    denoiser: Callable[..., Tensor], window: Sequence[int], overlap: float, noisy: Tensor, timestep: Tensor,
    condition: dict[str, Tensor],
) -> Tensor:  # fmt: skip
    """Return the fused output for one image, ``(1, channels, *shape)``."""
    channels, beside = noisy.shape[1], condition.pop("channels", None)

    def denoise(seen: Tensor) -> Tensor:
        images = {} if beside is None else {"channels": seen[:, channels:]}
        return denoiser(seen[:, :channels], timestep, **condition, **images)

    return apply_in_windows(denoise, noisy if beside is None else torch.cat([noisy, beside], 1), window, overlap)
