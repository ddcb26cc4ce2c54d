"""A discriminator of patches that makes reconstructions sharp, weighted by the ratio of gradients."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.models.components.reconstruction_config import ReconstructionConfig
from gandlf_synth.models.components.yaml_keys import name_yaml_keys
from gandlf_synth.networks.patch_discriminator import build_patch_discriminator

Criterion = Literal["least_squares", "hinge", "bce"]

_LARGEST_RATIO = 1e4
_SMALL = 1e-4


class PatchAdversary(nn.Module):
    """What a reconstruction is judged by besides its error (Esser et al. 2021, arXiv 2012.09841, sec. 3.1).

    Args:
        discriminator: returns tensors of which the last are the scores of patches.
        weight: of the verdict, in shares of the error's gradient.
        criterion: what the discriminator minimizes.
    """

    def __init__(self, discriminator: nn.Module, weight: float, criterion: Criterion) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.weight = weight
        self.criterion: Criterion = criterion

    def verdict(self, output: Tensor, error: Tensor, last_weight: Tensor | None) -> Tensor:
        """Return what a decoder is told about its ``output``, weighted; a scalar.

        Args:
            output: the reconstruction.
            error: its error, a scalar of the same graph.
            last_weight: the weight of the decoder's last layer that learns; None: the decoder does not.
        """
        penalty = self.penalty(output)
        return self.weight * gradient_ratio(error, penalty, output if last_weight is None else last_weight) * penalty

    def penalty(self, output: Tensor) -> Tensor:
        """Return what a generator is told about its ``output``, without a weight; a scalar."""
        scores = self.discriminator(output)[-1].float()
        return -scores.mean() if self.criterion == "hinge" else _score_loss(self.criterion, scores, real=True)

    def discriminator_loss(self, images: Tensor, reconstruction: Tensor) -> Tensor:
        """Return the discriminator's loss, a scalar."""
        # One pass over both keeps DistributedDataParallel's view of the weights whole.
        real, fake = self.discriminator(torch.cat([images, reconstruction]))[-1].float().chunk(2)
        return (_score_loss(self.criterion, real, real=True) + _score_loss(self.criterion, fake, real=False)) / 2


def build_adversary(
    config: ReconstructionConfig, spec: DataSpec, *, channels: int, num_layers: int | None, beside: int = 0
) -> PatchAdversary | None:
    """Return the adversary that ``config`` asks for, if it does.

    Args:
        config: weight and loss.
        spec: the data.
        channels: feature channels of the discriminator's first layer.
        num_layers: of the discriminator; None: 3, or as many as the image size allows.
        beside: channels that it sees beside those of an image.

    Raises:
        ConfigError: the layers leave nothing of an image.
    """
    if config.adversarial_weight == 0:
        return None
    with name_yaml_keys({"num_layers": "model_config.architecture.discriminator_num_layers"}):
        discriminator = build_patch_discriminator(
            shape=spec.shape, channels=spec.num_channels + beside, init_channels=channels, num_layers=num_layers
        )
    return PatchAdversary(discriminator, config.adversarial_weight, config.adversarial_loss)


def gradient_ratio(error: Tensor, penalty: Tensor, weight: Tensor) -> Tensor:
    """Return the norm of the gradient of ``error`` by that of ``penalty``, at ``weight`` (2012.09841, eq. 7).

    Multiplied by it, the penalty pulls as hard as the error, whatever the scale of either.

    Example:
        >>> weight = torch.ones(2, requires_grad=True)
        >>> round(float(gradient_ratio((3 * weight).sum(), (0.5 * weight).sum(), weight)), 2)
        6.0
    """
    (of_error,) = torch.autograd.grad(error, weight, retain_graph=True)
    (of_penalty,) = torch.autograd.grad(penalty, weight, retain_graph=True)
    ratio: Tensor = of_error.float().norm() / (of_penalty.float().norm() + _SMALL)
    return ratio.clamp(max=_LARGEST_RATIO).detach()


def last_weight(decoder: nn.Module) -> Tensor | None:
    """Return the weight of the last layer of ``decoder`` that learns, or None where none does."""
    learned = [weight for weight in decoder.parameters() if weight.ndim > 1 and weight.requires_grad]
    return learned[-1] if learned else None


def _score_loss(criterion: Criterion, scores: Tensor, *, real: bool) -> Tensor:
    """Return what a discriminator minimizes for ``scores`` of images that are real, or are not; a scalar.

    MONAI's ``PatchAdversarialLoss`` puts leaky units before the squares and a hyperbolic tangent before the hinge, so
    that a generator is told little once a discriminator is sure.
    """
    if criterion == "least_squares":  # Mao et al. 2017, arXiv 1611.04076, eq. 9
        return ((scores - 1) ** 2 if real else scores**2).mean()
    if criterion == "hinge":  # Lim & Ye 2017, arXiv 1705.02894
        return functional.relu(1 - scores if real else 1 + scores).mean()
    return functional.softplus(-scores if real else scores).mean()
