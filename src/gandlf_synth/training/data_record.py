"""Which images a run is trained on, by their content: written when it begins, compared when it goes on.

Names of files and of subjects are not kept, so that a model folder can be given away.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import get_args

from gandlf_synth.config import Config, Phase
from gandlf_synth.data.formats.scan import FileScan, Scans
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.data.table.stored_manifest import StoredManifest
from gandlf_synth.files import write_csv
from gandlf_synth.provenance import digest

STORE = "store"
"""What stands for the digest of voxels in the record of a whole store."""
_MICROMETRES = 3
"""Decimals of an affine in mm that count: programs that only copy an image may change the last ones."""


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """What a row of a CSV gives to a training.

    Args:
        files: of every channel column and the mask: digest of the voxels, digest of the grid, number type.
        label: the class number and name.
        condition: digest of the columns that the model is conditioned on.
    """

    files: tuple[str, ...]
    label: str
    condition: str

    @property
    def voxels(self) -> tuple[str, ...]:
        """The digests of the voxels alone."""
        return tuple(file.partition(":")[0] for file in self.files)


DataRecord = Mapping[Phase, Sequence[ImageRecord]]


def record_images(splits: Mapping[Phase, Manifest], scans: Scans, config: Config) -> DataRecord:
    """Return the record of every row, split by split in the order of training; of a store, of all together."""
    stored = {phase: split for phase, split in splits.items() if isinstance(split, StoredManifest)}
    if stored:
        return {
            phase: [ImageRecord((f"{STORE}:{split.content}:{split.store.description.stored_type}",), "", "")]
            for phase, split in stored.items()
        }
    files = {
        path: _file_record(scans[path]) for split in splits.values() for row in split.samples for path in row.files
    }
    conditions = _conditions_read(config)
    return {
        phase: [
            ImageRecord(
                tuple(files[path] for path in sample.files),
                "" if sample.label is None else f"{sample.label} {sample.label_name or ''}".strip(),
                digest({name: read(sample) for name, read in conditions.items()}) if conditions else "",
            )
            for sample in manifest.samples
        ]
        for phase, manifest in splits.items()
    }


def is_of_store(record: DataRecord) -> bool:
    """Say whether a run was trained on a store."""
    files = [file for images in record.values() for image in images[:1] for file in image.files]
    return any(file.startswith(f"{STORE}:") for file in files)


def _file_record(scan: FileScan) -> str:
    return f"{scan.content}:{_grid_digest(scan.affine, scan.shape, scan.physical)}:{scan.dtype}"


@lru_cache(maxsize=1024)
def _grid_digest(affine: tuple[tuple[float, ...], ...], shape: tuple[int, ...], physical: bool) -> str:
    rounded = [[round(value, _MICROMETRES) + 0.0 for value in row] for row in affine]
    return digest([rounded, shape, physical])[:8]


def _conditions_read(config: Config) -> Mapping[str, Callable[[Sample], object]]:
    """Return what the conditioners read of a row besides its images; everything where one does not say what."""
    from gandlf_synth.data.loading.conditioners import ImageConditioner, build_conditioner  # imports torch

    read: dict[str, Callable[[Sample], object]] = {}
    for step in config.model.conditioning:
        conditioner = build_conditioner(step.name, step.parameters)
        if step.name.lower() == "class" or isinstance(conditioner, ImageConditioner):
            continue
        read[conditioner.part_name] = conditioner.recorded if conditioner.cell else lambda sample: dict(sample.extra)
    return read


def write_data_record(path: Path, record: DataRecord) -> None:
    """Write a record as CSV, a row per image."""
    rows = ([phase, row.label, row.condition, *row.files] for phase, images in record.items() for row in images)
    write_csv(path, [["split", "label", "condition", "files"], *rows])


def read_data_record(path: Path) -> DataRecord | None:
    """Return the record that ``write_data_record`` wrote, or None where there is none."""
    if not path.is_file():
        return None
    record: dict[Phase, list[ImageRecord]] = {}
    phases = {phase: phase for phase in get_args(Phase)}
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows, None)
        for phase, label, condition, *files in rows:
            record.setdefault(phases[phase], []).append(ImageRecord(tuple(files), label, condition))
    return record
