"""How much the shapes in two images of different contrast differ, as in registration."""

from typing import Literal

import torch
from monai.losses.image_dissimilarity import GlobalMutualInformationLoss
from torch import Tensor, nn
from torch.nn import functional

ShapeCriterion = Literal["local_correlation", "mutual_information"]
_POOLS = {2: functional.avg_pool2d, 3: functional.avg_pool3d}
_WINDOW, _SMALL = 7, 1e-3
"""Voxels along each axis, and the least variance, summed over a window."""
_BINS = 16


class ShapeLoss(nn.Module):
    """Compares the means over the channels of two batches, whatever their contrasts.

    Args:
        criterion: ``local_correlation`` is 1 - the squared correlation in windows around every voxel,
            ``mutual_information`` the negative information of whole images, in nats.
        spatial_dims: 2 or 3.

    Example:
        >>> loss = ShapeLoss("local_correlation", spatial_dims=2)
        >>> images = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
        >>> bool(loss(images, -images) < 0.5 < loss(images, images.flip(2)))
        True
    """

    def __init__(self, criterion: ShapeCriterion, spatial_dims: int) -> None:
        super().__init__()
        self.spatial_dims = spatial_dims
        self.information = None if criterion == "local_correlation" else GlobalMutualInformationLoss(num_bins=_BINS)

    def forward(self, output: Tensor, images: Tensor) -> Tensor:
        """Return the dissimilarity of ``output`` and ``images (batch, channels, *shape)`` in [-1, 1], a scalar."""
        with torch.autocast(output.device.type, enabled=False):
            one, other = ((each.float().mean(1, keepdim=True) + 1).div(2).clamp(0, 1) for each in (output, images))
            if self.information is not None:
                information: Tensor = self.information(one, other)
                return information
            # zeros around an image would tell an inverted one from it
            one, other = (each - each.flatten(1).mean(1).view(-1, *(1,) * (each.ndim - 1)) for each in (one, other))
            return 1 - self._correlation(one, other)

    def _correlation(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the mean squared correlation in windows around every voxel, a scalar.

        It is MONAI's ``LocalNormalizedCrossCorrelationLoss`` without the number that this copies to the GPU in every
        call, for which the step would wait.
        """
        pool, voxels = _POOLS[self.spatial_dims], _WINDOW**self.spatial_dims

        def total(values: Tensor) -> Tensor:
            sums: Tensor = pool(values, _WINDOW, 1, _WINDOW // 2) * voxels
            return sums

        sums, other_sums = total(one), total(other)
        shared = total(one * other) - sums * other_sums / voxels
        variance = (total(one * one) - sums**2 / voxels).clamp(min=_SMALL)
        other_variance = (total(other * other) - other_sums**2 / voxels).clamp(min=_SMALL)
        correlation: Tensor = (shared**2 / (variance * other_variance)).mean()
        return correlation
