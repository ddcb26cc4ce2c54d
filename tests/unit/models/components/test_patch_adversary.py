"""The discriminator of patches minimizes what the papers say, and tells a generator as much when it is sure."""

import pytest
import torch
from torch import Tensor, nn

from gandlf_synth.models.components.patch_adversary import Criterion, PatchAdversary


class _Scores(nn.Module):
    """Takes an image for its scores."""

    def forward(self, images: Tensor) -> list[Tensor]:
        return [images]


REAL, FAKE = torch.tensor([[3.0, 0.5]]), torch.tensor([[-4.0, 0.25]])


@pytest.mark.parametrize(
    ("criterion", "of_discriminator", "of_generator"),
    [
        # ((3 - 1)² + 0.5²) / 2 and (4² + 0.25²) / 2; (5² + 0.75²) / 2
        ("least_squares", (2.125 + 8.03125) / 2, 12.78125),
        # relu(1 - real), relu(1 + fake); minus the mean of the scores
        ("hinge", (0.25 + 0.625) / 2, 1.875),
        ("bce", (0.261332 + 0.422045) / 2, 2.297044),
    ],
)
def test_the_losses_are_those_of_the_papers(criterion: Criterion, of_discriminator: float, of_generator: float) -> None:
    adversary = PatchAdversary(_Scores(), 1.0, criterion)

    assert adversary.discriminator_loss(REAL, FAKE).item() == pytest.approx(of_discriminator, rel=1e-4)
    assert adversary.penalty(FAKE).item() == pytest.approx(of_generator, rel=1e-4)


@pytest.mark.parametrize("criterion", ["least_squares", "hinge", "bce"])
def test_a_discriminator_that_is_sure_still_tells_the_generator_what_to_do(criterion: Criterion) -> None:
    adversary = PatchAdversary(_Scores(), 1.0, criterion)
    scores = torch.tensor([[0.5], [-5.0]], requires_grad=True)

    adversary.penalty(scores).backward()

    assert scores.grad is not None
    unsure, sure = scores.grad.abs().flatten().tolist()
    assert sure >= unsure
