"""Any loss trains a GAN: by its own rules where it has them, else by comparing scores with 1 and 0."""

from math import isnan

import pytest
import torch
from torch import Tensor, nn

from gandlf_synth.config import Component
from gandlf_synth.losses import build_loss
from gandlf_synth.losses.adversarial import adversarial_loss

REAL, FAKE = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.25])


class Relativistic(nn.Module):
    """As a plugin might write one: real scores above synthetic ones."""

    decision_score = 0.0

    def for_discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return nn.functional.softplus(fake - real).mean()

    def for_generator(self, fake: Tensor) -> Tensor:
        return -fake.mean()


def test_a_loss_with_rules_of_its_own_is_asked_for_them() -> None:
    loss = adversarial_loss(Relativistic())

    assert loss.for_discriminator(REAL, FAKE) == nn.functional.softplus(FAKE - REAL).mean()
    assert loss.for_generator(FAKE) == -FAKE.mean()


def test_any_other_loss_compares_real_scores_with_1_and_synthetic_ones_with_0() -> None:
    loss = adversarial_loss(nn.HuberLoss())

    expected = nn.HuberLoss()(REAL, torch.ones(2)) + nn.HuberLoss()(FAKE, torch.zeros(2))
    assert loss.for_discriminator(REAL, FAKE) == expected
    assert loss.for_generator(FAKE) == nn.HuberLoss()(FAKE, torch.ones(2))


@pytest.mark.parametrize(
    ("name", "score"), [("bcelogits", 0.0), ("bce", 0.0), ("hinge", 0.0), ("mse", 0.5), ("l1", 0.5)]
)
def test_a_discriminator_decides_half_way_between_its_targets(name: str, score: float) -> None:
    assert adversarial_loss(build_loss(Component(name=name), "losses")).decision_score == score


def test_a_critic_does_not_decide() -> None:
    assert isnan(adversarial_loss(build_loss(Component(name="plain_mean"), "losses")).decision_score)


def test_scores_in_half_precision_are_compared_in_32_bits() -> None:
    loss = adversarial_loss(nn.MSELoss())

    assert loss.for_discriminator(REAL.bfloat16(), FAKE.bfloat16()).dtype == torch.float32
