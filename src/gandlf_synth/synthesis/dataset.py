"""A trained generator as a ``torch.utils.data.Dataset``: synthetic images on the fly, for augmentation."""

from collections.abc import Sequence
from typing import TypedDict

from torch import Tensor
from torch.utils.data import Dataset

from gandlf_synth.config import SamplingOptions
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.sampling import sample_batches
from gandlf_synth.synthesis.requests import image_requests, sample_batch


class SyntheticItem(TypedDict):
    """One synthetic image."""

    image: Tensor
    """``(channels, *shape)``, float32 in [-1, 1]."""
    label: int
    """The CSV's label of its class; -1 without classes."""


class SyntheticDataset(Dataset[SyntheticItem]):
    """Makes image ``k`` when it is asked for; the same image as ``generate`` with the same seed makes.

    A ``DataLoader`` asks for whole batches, which are sampled together. Use ``num_workers=0`` on a GPU.

    Args:
        module: a trained model, from ``load_model``.
        counts: how many images, or how many per class name or label.
        seed: decides them.
        options: how to sample.
    """

    def __init__(
        self,
        module: GenerativeModule,
        counts: int | dict[str, int],
        seed: int = 42,
        options: SamplingOptions | None = None,
    ) -> None:
        self._module = module.eval()
        self._requests = image_requests(counts, module.spec, seed)
        self._options = options or SamplingOptions()

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._requests)

    def __getitem__(self, index: int) -> SyntheticItem:
        """Return one image."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[SyntheticItem]:
        """Return the images of ``indices``, sampled together."""
        requests = [self._requests[index] for index in indices]
        (images,) = sample_batches(self._module, [sample_batch(requests)], self._options)
        known = self._module.spec.labels
        return [
            SyntheticItem(image=image, label=-1 if request.class_index is None else known[request.class_index])
            for image, request in zip(images, requests, strict=True)
        ]
