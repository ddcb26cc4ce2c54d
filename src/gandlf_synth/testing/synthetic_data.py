"""Made-up data for the checker of models, for benchmarks and for tests: written once, the same every time."""

from pathlib import Path

import numpy as np

from gandlf_synth.config import LabelingParadigm, LoaderOptions, Phase
from gandlf_synth.data.formats.image import Image
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
        images.append(Image.from_file_values(array.astype(np.float32), Geometry(spec.shape)))
        rows.append(Sample(index + 1, f"subject_{index}", (path,) * len(spec.column_channels), label, None))
    prepared = write_samples(images, root)
    split = Split(Manifest(root / "data.csv", tuple(rows), "each row"), prepared)
    identity = ValueRange(np.ones(spec.num_channels), np.zeros(spec.num_channels))
    loaders = {phase: LoaderOptions() for phase in phases}
    splits = dict.fromkeys(phases, split)
    return SynthesisDataModule(splits, identity, spec, [], loaders, batch_size, 0, seed=3)
