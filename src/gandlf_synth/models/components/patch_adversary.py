"""A discriminator of patches that makes reconstructions sharp, weighted by the ratio of gradients."""

from typing import Literal

import torch
from monai.losses.adversarial_loss import PatchAdversarialLoss
from torch import Tensor, nn

from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.models.components.reconstruction_config import ReconstructionConfig
from gandlf_synth.models.components.yaml_keys import name_yaml_keys
from gandlf_synth.networks.patch_discriminator import build_patch_discriminator

_LARGEST_RATIO = 1e4
_SMALL = 1e-4


class PatchAdversary(nn.Module):
    """What a reconstruction is judged by besides its error (Esser et al. 2021, arXiv 2012.09841, sec. 3.1).

    Args:
        discriminator: returns tensors of which the last are the scores of patches.
        weight: of the verdict, in shares of the error's gradient.
        criterion: what the discriminator minimizes.
    """

    def __init__(
        self, discriminator: nn.Module, weight: float, criterion: Literal["least_squares", "hinge", "bce"]
    ) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.weight = weight
        self._criterion = _PatchAdversarialLoss(criterion=criterion)

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
        penalty: Tensor = self._criterion(scores, target_is_real=True, for_discriminator=False)
        return penalty

    def discriminator_loss(self, images: Tensor, reconstruction: Tensor) -> Tensor:
        """Return the discriminator's loss, a scalar."""
        # One pass over both keeps DistributedDataParallel's view of the weights whole.
        real, fake = self.discriminator(torch.cat([images, reconstruction]))[-1].float().chunk(2)
        loss_of_real: Tensor = self._criterion(real, target_is_real=True, for_discriminator=True)
        loss_of_fake: Tensor = self._criterion(fake, target_is_real=False, for_discriminator=True)
        return (loss_of_real + loss_of_fake) / 2


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


class _PatchAdversarialLoss(PatchAdversarialLoss):  # type: ignore[misc, unused-ignore]
    """MONAI's, with targets made where the scores are: copies from the CPU wait for the GPU."""

    def get_target_tensor(self, input: Tensor, target_is_real: bool) -> Tensor:  # noqa: A002
        return torch.full_like(input, self.real_label if target_is_real else self.fake_label)

    def get_zero_tensor(self, input: Tensor) -> Tensor:  # noqa: A002
        return torch.zeros_like(input)
