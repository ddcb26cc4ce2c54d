"""Samples of a model that are looked at and not kept."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from gandlf_synth.models.base import GenerativeModule, SamplingOptions
from gandlf_synth.provenance import Purpose, fold_seed


@torch.inference_mode()
def samples(
    module: GenerativeModule[Any],
    labels: Sequence[int] | None,
    options: SamplingOptions,
    places: Sequence[int],
    batch_size: int,
    seed: int,
) -> Iterator[Tensor]:
    """Yield the images of ``places``, a batch at a time, on the CPU; the same for the same seed.

    Args:
        module: the model, ready to sample.
        labels: the classes of real images, in whose proportions images are made; None without classes.
        options: how to sample.
        places: which images of an endless row.
        batch_size: images sampled together.
        seed: decides the row.
    """
    for start in range(0, len(places), batch_size):
        indices = places[start : start + batch_size]
        seeds = [fold_seed(seed, Purpose.IMAGE, index) for index in indices]
        chosen = None if not labels else torch.tensor([labels[index % len(labels)] for index in indices])
        yield module.sample(seeds, None if chosen is None else chosen.to(module.device), options).cpu()
