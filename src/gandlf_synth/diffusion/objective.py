"""What a denoiser is asked to predict, and how much each noise level counts.

Levels are ``signal`` and ``sigma`` of ``NoiseSchedule.levels``: ``noisy = signal · clean + sigma · noise``.
"""

from typing import Literal

import torch
from torch import Tensor

PredictionType = Literal["epsilon", "sample", "v_prediction"]


def target_for(prediction_type: PredictionType, clean: Tensor, noise: Tensor, signal: Tensor, sigma: Tensor) -> Tensor:
    """Return what the denoiser should output: the noise, the clean image, or v (Salimans & Ho 2022, appendix D)."""
    if prediction_type == "epsilon":
        return noise
    if prediction_type == "sample":
        return clean
    return signal * noise - sigma * clean


def clean_from(
    prediction_type: PredictionType, output: Tensor, noisy: Tensor, signal: Tensor | float, sigma: Tensor | float
) -> Tensor:
    """Return the clean image that a denoiser's ``output`` stands for.

    An ``epsilon`` output says nothing about the clean image where ``signal`` is 0; the result is infinite there.

    Example:
        >>> clean, noise, signal, sigma = torch.tensor([0.5, -1.0]), torch.ones(2), torch.tensor(0.6), torch.tensor(0.8)
        >>> output = target_for("v_prediction", clean, noise, signal, sigma)
        >>> clean_from("v_prediction", output, signal * clean + sigma * noise, signal, sigma)
        tensor([ 0.5000, -1.0000])
    """
    if prediction_type == "epsilon":
        return (noisy - sigma * output) / signal
    if prediction_type == "sample":
        return output
    return signal * noisy - sigma * output


def min_snr_weight(prediction_type: PredictionType, signal: Tensor, sigma: Tensor, gamma: float) -> Tensor:
    """Return the weight of each sample's squared error (Hang et al. 2023, eq. 8 and §3.4).

    Args:
        prediction_type: what the error is measured in.
        signal: how much of the clean image is left, any shape.
        sigma: how much noise there is, of the same shape.
        gamma: the largest weight in terms of the clean image, 5 in the paper.

    Example:
        >>> min_snr_weight("sample", torch.tensor([0.6, 0.9]), torch.tensor([0.8, 0.1]), gamma=5.0)
        tensor([0.5625, 5.0000])
    """
    snr = (signal / sigma) ** 2
    capped = torch.clamp(snr, max=gamma)
    if prediction_type == "sample":
        return capped
    if prediction_type == "epsilon":
        return capped / snr
    return capped / (snr + 1)
