"""The one loop that samples a trained model, whatever the images are for."""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.conditioners import complete
from gandlf_synth.diffusion.projection import Known
from gandlf_synth.models.base import GenerativeModule

_PRECISION = "32-true"
"""With less, an image depends on the device and on the others of its batch, by rounding."""

SampleBatch = tuple[Sequence[int], Condition]
"""The seeds of images that are sampled together, and what they are made from."""


@torch.no_grad()  # in inference mode, what processes bring together could not learn any more
def sample_batches(
    module: GenerativeModule, batches: Iterable[SampleBatch], options: SamplingOptions
) -> Iterator[Tensor]:
    """Yield the images of each batch, ``(batch, channels, *shape)`` in [-1, 1], float32 on the CPU.

    An image depends on its seed and its condition, not on the others of its batch.

    Args:
        module: the model, ready to sample.
        batches: seeds and conditions; parts that the model takes and a condition lacks are unknown.
        options: how to sample.
    """
    for seeds, condition in batches:
        whole = complete(condition, module.spec.parts, len(seeds), condition.image_shape or module.spec.shape)
        with torch.autocast(module.device.type, torch.bfloat16, enabled=options.precision == "bf16-mixed"):
            images = module.sample(seeds, whole.to(module.device), options)
        yield images.float().cpu()


@torch.no_grad()
def inpaint_batch(
    module: GenerativeModule, seeds: Sequence[int], condition: Condition, known: Known, options: SamplingOptions
) -> Tensor:
    """Return one image per seed that keeps what is known, as ``sample_batches`` returns them."""
    whole = complete(condition, module.spec.parts, len(seeds), known.clean.shape[2:])
    with torch.autocast(module.device.type, torch.bfloat16, enabled=options.precision == "bf16-mixed"):
        there = Known(known.clean.to(module.device), known.region.to(module.device))
        images = module.inpaint(seeds, whole.to(module.device), there, options)
    return images.float().cpu()


def sampling_record(module: GenerativeModule, options: SamplingOptions) -> dict[str, object]:
    """Return how ``module`` samples with ``options``, with everything filled in that they leave open."""
    return {**module.sampling_defaults(options), "precision": options.precision or _PRECISION}


def batched(seeds: Sequence[int], condition: Condition, batch_size: int) -> Iterator[SampleBatch]:
    """Yield ``seeds`` and the rows of ``condition`` that belong to them, at most ``batch_size`` at a time."""
    for start in range(0, len(seeds), batch_size):
        places = slice(start, start + batch_size)
        yield seeds[places], condition.rows(places)
