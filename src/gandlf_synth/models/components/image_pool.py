"""Past synthetic images that a discriminator sees again (Shrivastava et al. 2017, arXiv 1612.07828, section 2.3)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """Keeps images, and gives old ones in the place of half of the new.

    They are translations of training images, so they are no part of a model's weights; ``kept`` is for checkpoints of a
    training, which go on with them.

    Args:
        size: images that are kept; 0: new ones pass through.
        shape: ``(channels, *spatial)``.

    Example:
        >>> pool = ImagePool(2, (1, 4, 4))
        >>> first = torch.zeros(2, 1, 4, 4)
        >>> torch.equal(pool.exchange(first), first)
        True
        >>> pool.exchange(torch.ones(8, 1, 4, 4)).mean() < 1
        tensor(True)
    """

    images: Tensor

    def __init__(self, size: int, shape: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *shape), persistent=False)
        self._filled = 0

    @property
    def kept(self) -> Tensor:
        """The images that are kept, ``(number, channels, *spatial)``."""
        return self.images[: self._filled]

    def restore(self, kept: Tensor) -> None:
        """Go on with the images of another pool of this size."""
        self._filled = len(kept)
        self.images[: self._filled] = kept.to(self.images)

    @torch.no_grad()
    def exchange(self, images: Tensor) -> Tensor:
        """Return ``images (batch, channels, *spatial)``, some of them replaced by older ones, and keep the new ones."""
        size = len(self.images)
        if size == 0:
            return images
        swaps = (torch.rand(len(images)) < 0.5).tolist()
        places = torch.randint(size, (len(images),)).tolist()
        given = []
        for image, swap, place in zip(images, swaps, places, strict=True):
            if self._filled < size:
                self.images[self._filled] = image
                self._filled += 1
                given.append(image)
            elif swap:
                given.append(self.images[place].clone())
                self.images[place] = image
            else:
                given.append(image)
        return torch.stack(given)
