"""Images of a CSV as a trained model sees them."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers import UnreadableError
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.value_range import ValueRange
from gandlf_synth.data.processing.base import TransformError
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import DataError, Problem
from gandlf_synth.progress import Progress

_CHUNK = 32


def preprocessed(manifest: Manifest, sample: Sample, pipeline: Pipeline) -> Image:
    """Return ``sample`` after the preprocessing.

    Raises:
        DataError: it cannot be read or preprocessed.
    """
    try:
        return pipeline(sample)
    except (UnreadableError, TransformError) as error:
        raise DataError(Problem(manifest.where(sample, 0), f"cannot be preprocessed: {error}")) from error


def network_input(images: Sequence[Image], spec: DataSpec) -> Tensor:
    """Return preprocessed ``images`` in the model's range, ``(batch, channels, *shape)`` in [-1, 1]."""
    value_range = ValueRange.of(spec)
    return torch.from_numpy(np.stack([value_range.to_network(image.array) for image in images]))


def batches_of(
    manifest: Manifest, pipeline: Pipeline, spec: DataSpec, progress: Progress | None = None
) -> Iterator[Tensor]:
    """Yield the images of ``manifest`` as the model sees them, a few at a time.

    Raises:
        DataError: one cannot be read or preprocessed.
    """
    chunks = [manifest.samples[start : start + _CHUNK] for start in range(0, len(manifest.samples), _CHUNK)]
    for chunk in progress(chunks, len(chunks), f"Reading {manifest.path.name}") if progress else chunks:
        yield network_input([preprocessed(manifest, sample, pipeline) for sample in chunk], spec)
