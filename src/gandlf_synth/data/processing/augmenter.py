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

    def _built(self, shape: Shape) -> "list[torchio.Transform]":
        if shape not in self._transforms:
            self._transforms[shape] = [augmentation.build(shape) for augmentation in self._augmentations]
        return self._transforms[shape]
