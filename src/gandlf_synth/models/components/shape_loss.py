"""How much the shapes in two images of different contrast differ: MONAI's losses of registration."""

from typing import Literal

import torch
from monai.losses.image_dissimilarity import GlobalMutualInformationLoss, LocalNormalizedCrossCorrelationLoss
from torch import Tensor, nn

ShapeCriterion = Literal["local_correlation", "mutual_information"]
_WINDOW = 7
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
        self.criterion: nn.Module
        self.is_local = criterion == "local_correlation"
        if self.is_local:
            self.criterion = LocalNormalizedCrossCorrelationLoss(spatial_dims, kernel_size=_WINDOW, smooth_dr=1e-3)
        else:
            self.criterion = GlobalMutualInformationLoss(num_bins=_BINS)

    def forward(self, output: Tensor, images: Tensor) -> Tensor:
        """Return the dissimilarity of ``output`` and ``images (batch, channels, *shape)`` in [-1, 1], a scalar."""
        with torch.autocast(output.device.type, enabled=False):
            one, other = ((each.float().mean(1, keepdim=True) + 1).div(2).clamp(0, 1) for each in (output, images))
            if self.is_local:  # zeros around an image would tell an inverted one from it
                one, other = (each - each.flatten(1).mean(1).view(-1, *(1,) * (each.ndim - 1)) for each in (one, other))
            value: Tensor = self.criterion(one, other)
        return 1 + value if self.is_local else value
