"""What is made of the rows of a CSV, as files on the rows' own grids: images, maps of their spread, sidecars, a CSV."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth import registry
from gandlf_synth.config import Step
from gandlf_synth.data.formats.checksums import content_sha256, pixels_sha256
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.formats.writers import Writer
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.value_range import data_scale, in_number_type, to_file_values, undo_preprocessing
from gandlf_synth.data.processing.postprocessing import postprocessed
from gandlf_synth.data.processing.transforms.resampling import resample_onto
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.data.table.row_checks import capped
from gandlf_synth.errors import ConfigError, DataError, Problem, listing, option, raise_if_any
from gandlf_synth.files import relative_to, write_csv
from gandlf_synth.geometry import Voxels
from gandlf_synth.provenance import DERIVED_MARK
from gandlf_synth.signing import Signer
from gandlf_synth.synthesis.image_files import format_remarks, write_parts
from gandlf_synth.synthesis.layout import Described, ImagePlace, Layout
from gandlf_synth.synthesis.row_input import RowInput, grid_file
from gandlf_synth.synthesis.row_task import RowTask

_MAPS = ("mean", "std")
_MAP_TYPE = "float32"
_LARGEST_LABEL = 255


@dataclass(frozen=True)
class RowFiles:
    """Writes what is made of rows.

    Args:
        layout: where.
        manifest: the CSV.
        spec: the data that the model was trained on.
        task: what is made of the rows.
        writer: the file format.
        about: what the provenance of every image says.
        n_samples: images of each row.
        steps: the postprocessing.
        signer: signs the images.
    """

    layout: Layout
    manifest: Manifest
    spec: DataSpec
    task: RowTask
    writer: Writer
    about: Mapping[str, Any]
    n_samples: int = 1
    steps: Sequence[Step] = ()
    signer: Signer | None = None

    def format_remarks(self, samples: Sequence[Sample]) -> list[str]:
        """Return what a person should know before images of these rows are written in the format."""
        remarks = format_remarks(self.writer.made_from(self.task.made_from(samples[0])), self.spec)
        labels = self._labels_writer
        if labels is not None and labels.missing_extra and any(sample.mask for sample in samples):
            remarks.append(f"masks are not written: {labels.missing_extra.problems[0]}")
        return remarks

    @cached_property
    def _labels_writer(self) -> Writer | None:
        """What writes the masks that images are made from beside them, where the format has such."""
        if not self.writer.labels or "mask" not in self.task.reads:
            return None
        writer: Writer = registry.load("writers", self.writer.labels)()
        return writer

    def is_complete(self, sample: Sample) -> bool:
        """Say whether everything of a row is there and was made from the files that it names now."""
        places = self._places(sample)
        return all(place.files() for place in places) and places[0].record().get("made_from") == digests(sample)

    def write(self, row: RowInput, images: NDArray[np.float32], facts: Sequence[Mapping[str, Any]]) -> list[Voxels]:
        """Write the images of a row and, of several, the maps of their mean and spread; return the images' values.

        Args:
            row: what they were made from.
            images: ``(n_samples, channels, *shape)`` in [-1, 1], as the network makes them.
            facts: what to record of each.

        Raises:
            DataError: the row's image is of a number type that the format cannot hold.
        """
        made_from = digests(row.sample)
        values = [self._file_values(row, image) for image in images]
        record = {
            **self.about, "synthetic": True, "mark": DERIVED_MARK, "csv": self.manifest.path.name,
            "row": row.sample.row, "subject": row.sample.subject, "conditions": self.task.conditions(row.sample),
            "made_from": made_from,
            "kind": "inpainting" if self.task.inpaints else "from a row",
        }  # fmt: skip
        if self.n_samples > 1:
            stack = np.stack([value.astype(np.float64) for value in values])
            for kind, array in zip(_MAPS, (stack.mean(0), stack.std(0, ddof=1)), strict=True):
                about = {**record, "kind": f"{kind} of {self.n_samples} images, voxel by voxel"}
                self._write(self.layout.of_row(row.sample, kind), array.astype(_MAP_TYPE), row, about)
        for place, value, fact in zip(self._places(row.sample), values, facts, strict=True):
            self._write(place, value, row, {**record, **fact})
        self._write_labels(row, record)
        return values

    def _write_labels(self, row: RowInput, record: Mapping[str, Any]) -> None:
        """Write the mask that a row's images are made from, as belonging to the first of them."""
        writer = self._labels_writer
        if writer is None or writer.missing_extra or row.sample.mask is None:
            return
        mask = read_image(row.sample.mask)
        fits = mask.geometry.matches(row.grid) and not writer.refusal(row.grid)
        if not fits or not 0 <= mask.array.min() <= mask.array.max() <= _LARGEST_LABEL:
            return
        place = self.layout.of_row(row.sample, "labels")
        (first, *_) = self._places(row.sample)[0].files()
        path = place.folder / f"{place.names[0]}{writer.suffix}"
        about = {
            **record, "kind": "labels that the image was made from", "pixels_sha256": pixels_sha256(mask.array),
        }  # fmt: skip
        signed = self.signer.sign(about) if self.signer else about
        writer.made_from([first])(path, mask.array.astype(np.uint8), row.grid, signed)

    def _write(self, place: ImagePlace, values: Voxels, row: RowInput, about: Mapping[str, Any]) -> None:
        writer, scale = self.writer.made_from(self.task.made_from(row.sample)), data_scale(self.spec)
        write_parts(place, values, self.spec, writer, row.grid, about, scale, self.signer)

    def paths(self, sample: Sample) -> list[list[Path]]:
        """Return the files of each image of a row."""
        return [place.files() for place in self._places(sample)]

    def write_csv(self, path: Path, samples: Sequence[Sample]) -> list[Path]:
        """Write the images as a CSV that training reads, with what the rows say beside them; return the files."""
        written = [(sample, files) for sample in samples for files in self.paths(sample)]
        kept = _kinds(samples)
        channels = [f"Channel_{place}" for place in range(len(written[0][1]))]
        labelled = [sample.label is not None for sample in samples]
        labels = ["Label", "LabelMapping"] if all(labelled) else []
        rows: list[list[object]] = [["SubjectID", *channels, *kept, *labels, *self.manifest.extra_columns]]
        for sample, files in written:
            own = [relative_to(file, path) for file in files]
            others = [str(named.absolute()) if (named := sample.named_files.get(name)) else "" for name in kept]
            classes = [sample.label, sample.label_name or ""] if labels else []
            further = [sample.extra.get(name, "") for name in self.manifest.extra_columns]
            rows.append([sample.subject, *own, *others, *classes, *further])
        write_csv(path, rows)
        return [file for _, files in written for file in files]

    def describe(self, samples: Sequence[Sample]) -> None:
        """Write what describes the whole of the images."""
        images = [
            Described(place, self.task.conditions(sample), sample.subject)
            for sample in samples
            for place in self._places(sample)
        ]
        self.layout.describe(images, self.about)

    def _places(self, sample: Sample) -> list[ImagePlace]:
        numbers = [""] if self.n_samples == 1 else [f"_{number}" for number in range(self.n_samples)]
        return [self.layout.of_row(sample, f"synthetic{number}") for number in numbers]

    def _file_values(self, row: RowInput, image: NDArray[np.float32]) -> Voxels:
        """Return an image on the grid of its row, in the units and the number type of the data."""
        own = row.target is not None and self.task.takes_image and row.prepared is not None
        if row.prepared is None:
            return to_file_values(image, self.spec, self.steps)
        if own:
            values = postprocessed(undo_preprocessing(image, row.prepared, self.spec), self.steps)
        else:
            values = to_file_values(image, self.spec, self.steps).astype(np.float64)
        there = resample_onto(values, row.prepared.geometry, row.grid)
        number_type = row.target.dtype if row.target is not None and own else self.spec.dtype
        reason = self.writer.refusal(row.grid)
        if reason:
            where = f"{self.manifest.path} row {row.sample.row}"
            raise DataError(Problem(where, reason, fix="choose another output format"))
        if not self.writer.holds(number_type):
            what = f"has values of type {number_type}, which {self.writer.suffix} files cannot hold"
            where = f"{self.manifest.path} row {row.sample.row}, column Channel_0"
            raise DataError(Problem(where, what, listing(self.writer.number_types), "choose another output format"))
        typed = in_number_type(there, number_type)
        if row.target is None or row.region is None:
            return typed
        kept: Voxels = np.where(row.region, typed, row.target.array.astype(typed.dtype))
        return kept


def check_maps(writer: Writer, n_samples: int) -> None:
    """Refuse a file format that cannot hold the maps of several samples.

    Raises:
        ConfigError: it cannot.
    """
    if n_samples > 1 and not writer.holds(_MAP_TYPE):
        what = f"{writer.suffix} files cannot hold mean and standard deviation, which are fractions"
        fix = f"choose another format, or leave {option('n_samples')} out"
        raise ConfigError(Problem("inference_parameters.output_format", what, fix=fix))


def check_grids(writer: Writer, manifest: Manifest, samples: Sequence[Sample], task: RowTask, scans: Scans) -> None:
    """Refuse rows whose grid a file format cannot hold, before anything is made.

    Raises:
        DataError: each of them.
    """
    problems = list[Problem]()
    for sample in samples:
        path = grid_file(task.seen(sample))
        scan = None if path is None else scans[path]
        reason = writer.refusal(scan.geometry) if scan is not None and scan.shape else ""
        if reason:
            where = f"{manifest.path} row {sample.row}"
            problems.append(Problem(where, f"{path} {reason}", fix="choose another output format"))
    raise_if_any(capped(problems), DataError)


def digests(sample: Sample) -> dict[str, str]:
    """Return the SHA-256 of the content of every file that a row names, by its column."""
    return {name: content_sha256(path) for name, path in sample.named_files.items()}


def _kinds(samples: Sequence[Sample]) -> list[str]:
    """Return the columns with files beside the images': every source, also one that no row has, and maps."""
    sources = [f"Source_{number}" for number in range(max(len(sample.sources) for sample in samples))]
    maps = {name: None for sample in samples for name in sample.named_files if not name.startswith("Channel_")}
    return list(dict.fromkeys([*sources, *maps]))
