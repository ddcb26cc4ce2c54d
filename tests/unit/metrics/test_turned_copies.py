"""Copies whose axes were exchanged or reversed, as where a program loses the orientation of a file."""

from itertools import permutations, product

import numpy as np
import pytest
import torch
from tests.factories import clouds

from gandlf_synth.metrics.detail import flipped
from gandlf_synth.metrics.memorization import CopySearch
from gandlf_synth.metrics.slicing import cut_stacks
from gandlf_synth.metrics.turns import TURNS, turned_pixels, turned_planes


@pytest.mark.parametrize("shape", [(24, 24), (24, 32), (12, 12, 12)])
def test_a_copy_is_found_however_its_axes_lie(shape: tuple[int, ...]) -> None:
    known = clouds(shape, 12)
    axes = range(len(shape))
    ways = [
        (order, flips)
        for order in permutations(axes)
        for flips in product((1, -1), repeat=len(shape))
        if shape[0] == shape[-1] or order == tuple(axes)
    ]
    ways = ways if len(ways) < 10 else [*ways[:2], *ways[2::7]]
    steps = [(slice(None), *(slice(None, None, step) for step in flips)) for _, flips in ways]
    copies = [
        known[k % len(known)].transpose(0, *(axis + 1 for axis in order))[step]
        for k, ((order, _), step) in enumerate(zip(ways, steps, strict=True))
    ]

    matches = CopySearch(known).find(np.stack(copies))

    assert matches.index.tolist() == [k % len(known) for k in range(len(ways))]
    assert matches.correlation.min() > 0.999
    assert all(matches.kind(k) != "as it is" for k in range(1, len(ways)))


def test_a_transposed_copy_is_found_where_images_are_no_squares() -> None:
    known = clouds((24, 32))
    turned = turned_pixels(known[4:5], 1)

    matches = CopySearch(known).find(turned)

    assert matches.index.tolist() == [4]
    assert matches.likeness[0] > 0.9
    assert matches.kind(0).startswith("rows and columns exchanged")


def test_other_images_are_not_taken_for_turned_ones() -> None:
    assert not CopySearch(clouds((24, 24))).find(clouds((24, 24), seed=1)).turn.any()


@pytest.mark.parametrize("turn", range(len(TURNS[3])))
@pytest.mark.parametrize("flip", range(4))
def test_planes_of_a_turned_volume_are_the_turned_planes(turn: int, flip: int) -> None:
    volume = torch.from_numpy(clouds((8, 8, 8), 1).astype(np.float32))  # (1, 1, z, y, x)
    turned = torch.from_numpy(turned_pixels(volume.numpy(), turn))
    turned = flipped(turned[:, 0], flip)[:, None]
    planes, expected = (
        np.stack([stack.numpy() for stack in cut_stacks(part.permute(0, 1, 4, 3, 2), 4)], axis=1)
        for part in (volume, turned)
    )

    np.testing.assert_allclose(turned_planes(planes, turn, flip), expected)
