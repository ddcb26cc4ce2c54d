"""Penalties on gradients, which keep a discriminator smooth and a generator even; all in 32 bits."""

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor

from gandlf_synth.batch_draws import draw_rand, draw_randn_like

Critic = Callable[[Tensor], Tensor]


def r1_penalty(critic: Critic, real: Tensor) -> Tensor:
    """Return the mean over the batch of ``‖∇critic(real)‖²`` (Mescheder et al. 2018, arXiv 1801.04406, eq. 9).

    Args:
        critic: scores ``(batch, channels, *spatial)`` images, one number each.
        real: real images, as the critic sees them.

    Example:
        >>> critic = lambda images: 3 * images.flatten(1).sum(1)  # has the slope 3 in each of 4 voxels
        >>> float(r1_penalty(critic, torch.randn(2, 1, 2, 2)))
        36.0
    """
    return _gradient(critic, real).square().sum(1).mean()


def wasserstein_penalty(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """Return the mean of ``(‖∇critic‖ - 1)²`` between real and fake images (Gulrajani et al. 2017, arXiv 1704.00028).

    Args:
        critic: scores images, one number each.
        real: ``(batch, channels, *spatial)``.
        fake: of the shape of ``real``; each pair is mixed in a random proportion.
    """
    share = draw_rand((len(real), *[1] * (real.ndim - 1)), real.device)
    gradient = _gradient(critic, torch.lerp(fake.detach(), real, share))
    return (gradient.square().sum(1).add(1e-12).sqrt() - 1).square().mean()


def path_lengths(images: Tensor, styles: Tensor) -> Tensor:
    """Return ``‖Jᵀ y‖`` for random images ``y``, per image (Karras et al. 2020, arXiv 1912.04958, eq. 4).

    Args:
        images: ``(batch, channels, *spatial)``, made from ``styles``.
        styles: ``(batch, layers, size)``; the length is averaged over the layers.
    """
    y = draw_randn_like(images) / prod(images.shape[2:]) ** 0.5
    (gradient,) = torch.autograd.grad((images * y).sum(), styles, create_graph=True)
    return gradient.float().square().sum(2).mean(1).sqrt()


def _gradient(critic: Critic, images: Tensor) -> Tensor:
    """Return the gradient of the scores by the images, ``(batch, values)``, that can itself be differentiated."""
    with torch.enable_grad(), torch.autocast(images.device.type, enabled=False):
        images = images.detach().float().requires_grad_()
        (gradient,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    return gradient.flatten(1)
