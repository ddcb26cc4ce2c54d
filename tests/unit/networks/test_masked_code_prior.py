"""The masked prior learns codes from those around them, and draws all of an image in a few passes."""

from collections.abc import Sequence
from math import log

import pytest
import torch
from torch import Tensor

from gandlf_synth.networks.masked_code_prior import MaskedCodePrior


def prior_of(grid: Sequence[int] = (2, 3), num_classes: int = 0, dropout: float = 0.0) -> MaskedCodePrior:
    torch.manual_seed(0)
    return MaskedCodePrior(num_codes=8, grid=grid, num_classes=num_classes, channels=8, num_heads=2, dropout=dropout)


def draw(prior: MaskedCodePrior, seeds: Sequence[int], labels: Tensor | None = None, **how: float) -> Tensor:
    with torch.inference_mode():
        return prior.eval().sample(labels, [torch.Generator().manual_seed(seed) for seed in seeds], **how)


def test_the_prior_learns_what_goes_together_and_the_class() -> None:
    prior = prior_of(num_classes=2)
    grids = torch.tensor([[[0, 1, 2], [3, 4, 5]], [[5, 4, 3], [2, 1, 0]]])
    optimizer = torch.optim.Adam(prior.parameters(), 0.02)
    for _ in range(60):
        optimizer.zero_grad()
        prior.loss(grids, torch.tensor([0, 1])).backward()
        optimizer.step()

    drawn = draw(prior, range(4), torch.tensor([1, 0, 0, 1]), num_steps=3, temperature=0.2)

    assert torch.equal(drawn, grids[[1, 0, 0, 1]])


def test_two_halves_that_must_agree_are_drawn_in_agreement() -> None:
    """One pass alone would draw each place for itself, and seven of eight images would disagree."""
    prior = prior_of(grid=(2, 2))
    grids = torch.tensor([[[1, 1], [1, 1]], [[6, 6], [6, 6]]])
    optimizer = torch.optim.Adam(prior.parameters(), 0.02)
    for _ in range(90):
        optimizer.zero_grad()
        prior.loss(grids.repeat(4, 1, 1)).backward()
        optimizer.step()

    drawn = draw(prior, range(40), num_steps=4, choice_temperature=4.5).flatten(1)

    ones = (drawn == 1).all(1).float().mean()
    assert ((drawn == drawn[:, :1]).all(1)).float().mean() > 0.7
    assert 0.25 < ones < 0.75


@pytest.mark.parametrize("training", [True, False])
def test_a_prior_that_knows_nothing_loses_the_logarithm_of_the_number_of_codes(training: bool) -> None:
    prior = prior_of(grid=(16, 16)).train(training)
    torch.nn.init.zeros_(prior.network.head.weight)
    torch.nn.init.zeros_(prior.network.head.bias)

    losses = [prior.loss(torch.randint(8, (16, 16, 16))).item() for _ in range(5)]

    assert sum(losses) / 5 == pytest.approx(log(8), rel=0.02 if training else 1e-5)


def test_outside_of_training_the_loss_has_nothing_random() -> None:
    prior = prior_of(dropout=0.5).eval()
    codes = torch.randint(8, (4, 2, 3))

    assert prior.loss(codes).item() == prior.loss(codes).item()


@pytest.mark.parametrize("steps", [1, 4, 30])
@pytest.mark.parametrize("grid", [(5, 4), (3, 4, 2), (1, 1)])
def test_every_place_is_filled_whatever_the_number_of_passes(grid: tuple[int, ...], steps: int) -> None:
    drawn = draw(prior_of(grid), range(3), num_steps=steps, top_k=2)

    assert drawn.shape == (3, *grid)
    assert bool(((drawn >= 0) & (drawn < 8)).all())


def test_an_image_does_not_depend_on_the_others_of_its_batch() -> None:
    prior = prior_of(num_classes=2)

    together = draw(prior, [1, 2, 3], torch.tensor([0, 1, 0]))
    alone = draw(prior, [3], torch.tensor([0]))

    assert torch.equal(together[2], alone[0])
    assert not torch.equal(together[0], together[1])
