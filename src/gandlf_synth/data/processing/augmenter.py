"""Random changes of training images, fresh in every epoch, decided by a seed alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gandlf_synth import registry
from gandlf_synth.config import Step
from gandlf_synth.data.processing.base import Augmentation, Shape

if TYPE_CHECKING:
    import torchio
    from torch import Tensor


class Augmenter:
    """Applies augmentations in the order written, each with its probability.

    Args:
        steps: names and parameters, validated with the configuration.
        spatial_dims: 2 or 3.

    Raises:
        ConfigError: a step does not fit images of ``spatial_dims`` dimensions.

    Example:
        >>> import torch
        >>> augmenter = Augmenter([Step(name="flip", parameters={"axis": [0], "probability": 1})], spatial_dims=2)
        >>> image = torch.tensor([[[-1.0], [1.0]]])
        >>> augmenter(image, seed=3).tolist() == augmenter(image, seed=3).tolist()
        True
    """

    def __init__(self, steps: Sequence[Step], spatial_dims: int) -> None:
        self._augmentations: list[Augmentation] = [
            registry.load("augmentations", step.name).model_validate(step.parameters) for step in steps
        ]
        self._transforms: dict[Shape, list[torchio.Transform]] = {}
        for augmentation in self._augmentations:
            augmentation.check(spatial_dims)

    def __getstate__(self) -> dict[str, object]:
        """Leave the built transforms out of what worker processes are sent."""
        return self.__dict__ | {"_transforms": {}}

    def __call__(self, image: "Tensor", seed: int) -> "Tensor":
        """Return ``image`` changed as ``seed`` decides; torch's generators are left as they were.

        Args:
            image: float32 ``(channels, *spatial)`` in [-1, 1], where -1 is background.
            seed: decides everything that is random.

        Returns:
            An image of the same shape and type, in [-1, 1].
        """
        import torch

        width, height, depth = (*image.shape[1:], 1)[:3]
        shape = (width, height, depth)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            acting = [
                transform
                for augmentation, transform in zip(self._augmentations, self._built(shape), strict=True)
                if torch.rand(()) < augmentation.probability
            ]
            if not acting:
                return image
            changed = image.reshape(-1, *shape).add(1).div(2).clamp(0, 1)
            for transform in acting:
                changed = transform(changed).clamp(0, 1)
        return changed.mul(2).sub(1).reshape(image.shape)

    def together(
        self, voxels: "Tensor", num_channels: int, labels: "Tensor | None", seed: int
    ) -> "tuple[Tensor, Tensor | None]":
        """Return an image, what it is made from, and label maps, moved alike as ``seed`` decides.

        What changes values acts on what the image is made from, where there is such; the image stays what it is to be.

        Args:
            voxels: float32 ``(channels, *spatial)`` in [-1, 1], the image's channels first.
            num_channels: those of the image.
            labels: whole numbers, ``(maps, *spatial)``, or None.
            seed: decides everything that is random.
        """
        import torch

        width, height, depth = (*voxels.shape[1:], 1)[:3]
        shape = (width, height, depth)
        changed = voxels.reshape(-1, *shape).add(1).div(2).clamp(0, 1)
        maps = None if labels is None else labels.to(torch.float32).reshape(-1, *shape)
        first = num_channels if len(voxels) > num_channels else 0
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            probabilities = [augmentation.probability for augmentation in self._augmentations]
            chances, draws = torch.rand(len(probabilities)), torch.randint(2**62, (len(probabilities),))
            for place, transform in enumerate(self._built(shape)):
                if chances[place] >= probabilities[place]:
                    continue
                torch.default_generator.manual_seed(int(draws[place]))
                if not self._augmentations[place].moves_voxels:
                    changed[first:] = transform(changed[first:]).clamp(0, 1)
                    continue
                changed = transform(changed).clamp(0, 1)
                if maps is not None:
                    torch.default_generator.manual_seed(int(draws[place]))
                    maps = _moved_labels(maps, transform)
        moved = None if labels is None or maps is None else maps.round().to(labels.dtype).reshape(labels.shape)
        return changed.mul(2).sub(1).reshape(voxels.shape), moved

    def _built(self, shape: Shape) -> "list[torchio.Transform]":
        if shape not in self._transforms:
            self._transforms[shape] = [augmentation.build(shape) for augmentation in self._augmentations]
        return self._transforms[shape]


def _moved_labels(maps: "Tensor", transform: "torchio.Transform") -> "Tensor":
    """Return label maps ``(maps, *spatial)`` moved by a spatial transform, each voxel from its nearest one."""
    import torchio

    moved: Tensor = transform(torchio.LabelMap(tensor=maps)).data
    return moved
