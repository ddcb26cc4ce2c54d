"""Straight paths from images (time 0) to noise (time 1), and the flow along them."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any, Literal, get_args

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from gandlf_synth.diffusion.samplers import Deterministic, NoiseLevel, ddim, dpmpp_2m, heun, unipc

FlowSamplerName = Literal["euler", "heun", "dpmpp_2m", "unipc"]
FLOW_SAMPLERS: tuple[FlowSamplerName, ...] = get_args(FlowSamplerName)
_SOLVERS: dict[str, Deterministic] = {"euler": ddim, "heun": heun, "dpmpp_2m": dpmpp_2m, "unipc": unipc}


def logit_normal(uniform: Tensor) -> Tensor:
    """Return times in (0, 1) from ``uniform`` ones: sigmoids of normals (Esser et al. 2024, eq. 19, m = 0, s = 1)."""
    smallest = 1e-6
    return torch.sigmoid(torch.special.ndtri(uniform.double().clamp(smallest, 1 - smallest))).to(uniform)


def minibatch_ot(noise: Tensor, clean: Tensor) -> Tensor:
    """Return ``noise`` in the order that is nearest to ``clean`` in total (Tong et al. 2024, arXiv 2302.00482, §3.2.2).

    Args:
        noise: ``(batch, …)``.
        clean: ``(batch, …)``.
    """
    distances = torch.cdist(clean.flatten(1).double(), noise.flatten(1).double()) ** 2
    _, order = linear_sum_assignment(distances.cpu().numpy())
    return noise[torch.as_tensor(order, device=noise.device)]


def flow_sample(
    velocity: Callable[[Tensor, Tensor], Tensor],
    noise: Tensor,
    *,
    num_inference_steps: int,
    sampler: FlowSamplerName = "heun",
    clip_sample: bool = True,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Tensor:
    """Return samples, of the shape of ``noise``, by following the flow back from noise in even steps of time.

    Args:
        velocity: (noisy (batch, …), times (batch,) in (0, 1]) → noise - clean (Liu et al. 2023, eq. 1).
        noise: ``(batch, …)``, standard normal.
        num_inference_steps: steps; one evaluation each, two with ``heun``.
        sampler: the solver.
        clip_sample: keep the predicted clean image in [-1, 1]; right for pixels, wrong for latents.
        progress: wraps the steps, to show them.
    """
    times = [1 - step / num_inference_steps for step in range(num_inference_steps)] + [0.0]
    levels = [NoiseLevel(time, 1 - time, time) for time in times]

    def predict(noisy: Tensor, level: NoiseLevel) -> Tensor:
        times = torch.full((len(noisy),), level.time, device=noisy.device)
        clean = noisy - level.time * velocity(noisy, times)
        return clean.clamp(-1, 1) if clip_sample else clean

    return _SOLVERS[sampler](predict, noise, progress(list(itertools.pairwise(levels))))
