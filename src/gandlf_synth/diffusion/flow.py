"""Straight paths from images (time 0) to noise (time 1): which times to train on, and which noise for which image."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from gandlf_synth.diffusion.quantiles import normal_quantile


def logit_normal(uniform: Tensor) -> Tensor:
    """Return times in (0, 1) from ``uniform`` ones: sigmoids of normals (Esser et al. 2024, eq. 19, m = 0, s = 1).

    Example:
        >>> logit_normal(torch.tensor([0.1, 0.5, 0.9]))
        tensor([0.2173, 0.5000, 0.7827])
    """
    return torch.sigmoid(normal_quantile(uniform))


def logit_normal_or_uniform(uniform: Tensor, uniform_share: float = 0.1) -> Tensor:
    """Return times in (0, 1) of which ``uniform_share`` are uniform and the others logit-normal.

    Logit-normal times leave out both ends, where a sampler starts and ends all the same.

    Example:
        >>> logit_normal_or_uniform(torch.tensor([0.05, 0.55]))
        tensor([0.5000, 0.5000])
    """
    rest = logit_normal(((uniform - uniform_share) / (1 - uniform_share)).clamp(min=0))
    return torch.where(uniform < uniform_share, uniform / uniform_share, rest)


def shift_times(times: Tensor, factor: float) -> Tensor:
    """Return ``times`` in [0, 1] moved towards the noise (Esser et al. 2024, arXiv 2403.03206, eq. 23).

    The same noise hides less of an image with more voxels: the mean of n voxels has 1/√n of it. With the square root of
    the ratio of voxel numbers, both are equally uncertain.

    Args:
        times: any shape.
        factor: 1 leaves them as they are.

    Example:
        >>> shift_times(torch.tensor([0.0, 0.5, 1.0]), 3.0)
        tensor([0.0000, 0.7500, 1.0000])
    """
    return factor * times / (1 + (factor - 1) * times)


def minibatch_ot(noise: Tensor, clean: Tensor) -> Tensor:
    """Return ``noise`` in the order that is nearest to ``clean`` in total (Tong et al. 2024, arXiv 2302.00482, §3.2.2).

    Args:
        noise: ``(batch, …)``.
        clean: ``(batch, …)``.

    Example:
        >>> minibatch_ot(noise=torch.tensor([[1.0], [0.0]]), clean=torch.tensor([[-1.0], [2.0]]))
        tensor([[0.],
                [1.]])
    """
    distances = torch.cdist(clean.flatten(1), noise.flatten(1), compute_mode="donot_use_mm_for_euclid_dist") ** 2
    _, order = linear_sum_assignment(distances.cpu().numpy())
    return noise[torch.as_tensor(order, device=noise.device)]
