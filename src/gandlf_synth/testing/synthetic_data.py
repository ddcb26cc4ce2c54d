"""Made-up data for the checker of models, for benchmarks and for tests: written once, the same every time."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gandlf_synth.config import LabelingParadigm, LoaderOptions, Phase, Step
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.inspection.units import Units
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.conditioners import ConditionPart, fit_conditioners, images_read
from gandlf_synth.data.loading.datamodule import Split, SynthesisDataModule
from gandlf_synth.data.loading.prepared import write_samples
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.value_range import ValueRange
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.geometry import Geometry

_SAMPLES = 6
_CLASSES = 2


def synthetic_spec(shape: tuple[int, ...], channels: int, paradigm: LabelingParadigm) -> DataSpec:
    """Return the facts of made-up data: images of ``shape`` with values in [-1, 1], two classes where labelled."""
    labels = () if paradigm == "unlabeled" else tuple(range(_CLASSES))
    return DataSpec(
        spatial_dims=len(shape),
        num_channels=channels,
        shape=shape,
        affine=tuple(tuple(row) for row in np.eye(4).tolist()),
        physical=True,
        modality="rad",
        paradigm=paradigm,
        labels=labels,
        class_names=tuple(f"class_{label}" for label in labels),
        low=(0.0,) * channels,
        high=(100.0,) * channels,
        range_scale=(1.0,) * channels,
        range_offset=(0.0,) * channels,
        dtype="float32",
        column_channels=(1,) * channels,
        column_names=tuple(f"channel_{index}" for index in range(channels)),
    )


def with_conditions(spec: DataSpec, conditioning: Sequence[Step]) -> DataSpec:
    """Return the facts of made-up data that has what ``conditioning`` asks for: one source, masks, regions.

    Args:
        spec: what ``synthetic_spec`` returned.
        conditioning: as in ``model_config``; a class is in ``spec`` already.
    """
    steps = [step for step in conditioning if step.name.lower() != "class"]
    if not steps:
        return spec
    files = [Path(name) for name in ("image.npy", "source.npy", "mask.npy", "region.npy")]
    row = Sample(1, "subject_0", (files[0],), None, None, files[2], sources=(files[1],), region=files[3])
    parts = fit_conditioners(steps, Manifest(Path("data.csv"), (row,), "each row"), _facts(spec))
    sources = (1,) if "sources" in images_read(parts) else ()
    return spec.model_copy(
        update={
            "conditions": parts,
            "source_channels": sources,
            "source_names": ("source",) * len(sources),
            "source_scale": (1.0,) * len(sources),
            "source_offset": (0.0,) * len(sources),
        }
    )


def _facts(spec: DataSpec) -> Fingerprint:
    units = (Units("arbitrary", "made up"),)
    return Fingerprint(
        spatial_dims=spec.spatial_dims, column_channels=spec.column_channels, column_names=spec.column_names,
        shape=spec.shape, smallest_shape=spec.shape, largest_shape=spec.shape,
        largest_extent=tuple(map(float, spec.shape)), same_aspect=True, low=spec.low, high=spec.high,
        dtype=spec.dtype, physical=True, orientations=("LPS",), notes=(), units=units * len(spec.column_channels),
        source_channels=(1,), source_names=("source",), source_units=units, mask_labels=(0, 1),
    )  # fmt: skip


def synthetic_condition(spec: DataSpec, count: int) -> Condition:
    """Return a made-up condition of ``count`` images in which every part is known; the same every time."""
    rng = torch.Generator().manual_seed(0)
    return Condition({part.name: _made_up(part, spec.shape, count, rng) for part in spec.parts})


def _made_up(part: ConditionPart, shape: Sequence[int], count: int, rng: torch.Generator) -> Tensor:
    if part.kind == "class":
        return torch.arange(count) % part.size
    values = torch.rand(count, part.width, *(shape if part.kind == "channels" else ()), generator=rng) * 2 - 1
    values[:, -1] = 1
    return values


def synthetic_data(
    spec: DataSpec,
    root: Path,
    *,
    samples: int = _SAMPLES,
    batch_size: int = 4,
    phases: tuple[Phase, ...] = ("train", "val", "test"),
) -> SynthesisDataModule:
    """Return made-up data of ``spec``, written under ``root``, the same in every phase; classes differ in level."""
    rng = np.random.default_rng(0)
    images, rows = [], []
    for index in range(samples):
        label = index % _CLASSES if spec.num_classes else None
        array = np.clip(rng.normal((label or 0) - 0.5, 0.2, (spec.num_channels, *spec.shape)), -1, 1)
        path = root / f"sample_{index}.npy"
        np.save(path, array.astype(np.float32))
        images.append(_with_sources(array.astype(np.float32), spec))
        sources = (path,) * len(spec.source_channels)
        rows.append(
            Sample(index + 1, f"subject_{index}", (path,) * len(spec.column_channels), label, None, sources=sources)
        )
    prepared = write_samples(images, root)
    split = Split(Manifest(root / "data.csv", tuple(rows), "each row"), prepared)
    identity = ValueRange.with_sources(spec)
    loaders = {phase: LoaderOptions() for phase in phases}
    splits = dict.fromkeys(phases, split)
    return SynthesisDataModule(splits, identity, spec, [], loaders, batch_size, 0, seed=3)


def _with_sources(array: NDArray[np.float32], spec: DataSpec) -> Image:
    """Return an image with what conditioners may look at: sources of the other contrast, a mask and a region."""
    sources = [-array[:1] / 2] * sum(spec.source_channels)
    image = Image.from_file_values(np.concatenate([array, *sources]), Geometry(spec.shape))
    if not spec.conditions:
        return image
    mask = (array[0] > np.median(array[0])).astype(np.int32)
    region = np.zeros_like(mask)
    region[tuple(slice(size // 4, size // 2) for size in spec.shape)] = 1
    return replace(image, mask=mask, region=region)
