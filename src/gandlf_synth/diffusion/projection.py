"""Inpainting with a model that never learned it: the known voxels are put back at every noise level (RePaint).

Lugmayr et al. 2022, arXiv 2201.09865. What is known is noised to the level that a step has reached and takes the place
of what the step made there; what is made anew learns of it through the network alone. A single way down leaves borders
that do not fit, so a stretch of steps is noised again and walked again several times (§4.2).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gandlf_synth.diffusion.samplers.base import FreshNoise, NoiseLevel, Predict, Sampler, Transition, Transitions


@dataclass(frozen=True)
class Known:
    """What stays of the images that are inpainted.

    Args:
        clean: ``(batch, channels, *shape)``, the images; what they hold in ``region`` is never read.
        region: ``(batch, 1, *shape)``, boolean: where they are made anew.
    """

    clean: Tensor
    region: Tensor

    def paste(self, made: Tensor) -> Tensor:
        """Return ``made`` with what is known in its place.

        Example:
            >>> known = Known(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[True, False]]]))
            >>> known.paste(torch.tensor([[[7.0, 8.0]]]))
            tensor([[[7., 2.]]])
        """
        return torch.where(self.region, made, self.clean)

    def paste_noised(self, noisy: Tensor, level: NoiseLevel, fresh_noise: FreshNoise) -> Tensor:
        """Return ``noisy``, of ``level``, with what is known in its place, noised to that level (eq. 8a and 8c)."""
        if level.sigma == 0:
            return self.paste(noisy)
        return torch.where(self.region, noisy, level.signal * self.clean + level.sigma * fresh_noise())


def inpaint(sampler: Sampler, known: Known, *, jump_length: int, jump_n_sample: int) -> Sampler:
    """Return a sampler that goes the way of ``sampler`` and keeps what is known (algorithm 1).

    Every stretch of ``jump_length`` steps is gone ``jump_n_sample`` times: at its end the image is noised back to its
    beginning. A sampler that looks back at earlier steps is of first order here, because it takes one step at a time.

    Args:
        sampler: takes the single steps; in the paper it is ``ddpm``.
        known: what stays.
        jump_length: steps of a stretch.
        jump_n_sample: how often each stretch is gone, at least once; that many times as many evaluations.

    Example:
        >>> import itertools
        >>> from gandlf_synth.diffusion.samplers.ddim import ddim
        >>> levels = [NoiseLevel(999, 0.0, 1.0), NoiseLevel(499, 0.6, 0.8), NoiseLevel(-1, 1.0, 0.0)]
        >>> known = Known(torch.tensor([[[0.5, 0.25]]]), torch.tensor([[[True, False]]]))
        >>> inpainted = inpaint(ddim, known, jump_length=2, jump_n_sample=3)
        >>> mean_of_both = lambda noisy, level: noisy.mean(-1, keepdim=True).expand_as(noisy)
        >>> noise, steps = torch.zeros(1, 1, 2), itertools.pairwise(levels)
        >>> inpainted(mean_of_both, noise, steps, lambda: torch.zeros(1, 1, 2))[0, 0, 1]
        tensor(0.2500)
    """

    def walk(predict: Predict, noise: Tensor, transitions: Transitions, fresh_noise: FreshNoise) -> Tensor:
        steps = list(transitions)
        noisy = known.paste_noised(noise, steps[0][0], fresh_noise)
        for stretch in (steps[first : first + jump_length] for first in range(0, len(steps), jump_length)):
            for time in range(jump_n_sample):
                if time:
                    noisy = _noised_again(noisy, stretch[-1][1], stretch[0][0], fresh_noise)
                noisy = _go_down(sampler, known, predict, noisy, stretch, fresh_noise)
        return noisy

    return walk


def _go_down(
    sampler: Sampler, known: Known, predict: Predict, noisy: Tensor, steps: Sequence[Transition],
    fresh_noise: FreshNoise,
) -> Tensor:  # fmt: skip
    for step in steps:
        noisy = known.paste_noised(sampler(predict, noisy, [step], fresh_noise), step[1], fresh_noise)
    return noisy


def _noised_again(noisy: Tensor, now: NoiseLevel, then: NoiseLevel, fresh_noise: FreshNoise) -> Tensor:
    """Return ``noisy`` with as much more noise as leads from the level ``now`` to ``then``."""
    decay = then.signal / now.signal
    variance = max(then.sigma**2 - (decay * now.sigma) ** 2, 0.0)
    return decay * noisy + math.sqrt(variance) * fresh_noise()
