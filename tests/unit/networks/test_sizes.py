"""Sizes are padded to what a stride divides, and cropped back."""

import pytest
import torch

from gandlf_synth.networks.sizes import crop, pad_to_multiple


@pytest.mark.parametrize("shape", [(9, 12), (7, 10, 5)])
def test_padding_is_undone_by_cropping(shape: tuple[int, ...]) -> None:
    images = torch.randn(2, 3, *shape)

    padded = pad_to_multiple(images, 4)

    assert all(size % 4 == 0 for size in padded.shape[2:])
    assert torch.equal(crop(padded, shape), images)
