"""One synthetic image as files: the image itself, one file per CSV column, and a sidecar JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.config import Step
from gandlf_synth.data.formats.writers import Writer
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.value_range import to_8_bit, to_file_values
from gandlf_synth.files import write_csv, write_json
from gandlf_synth.geometry import Voxels
from gandlf_synth.provenance import SYNTHETIC_MARK
from gandlf_synth.synthesis.requests import ImageRequest


def file_parts(values: Voxels, spec: DataSpec, writer: Writer) -> list[tuple[str, Voxels]]:
    """Return the voxels of each file of ``values (channels, *shape)``, with what to add to the file's name.

    A file holds the channels of one CSV column, or one channel where the format cannot hold them together.
    """
    parts: list[tuple[str, Voxels]] = []
    for ending, column in _by_column(values, spec):
        if writer.fits(column):
            parts.append((ending, column))
        else:
            parts += [(f"{ending}_channel_{index}", column[index : index + 1]) for index in range(len(column))]
    return parts


def _by_column(values: Voxels, spec: DataSpec) -> list[tuple[str, Voxels]]:
    if len(spec.column_channels) == 1:
        return [("", values)]
    ends = np.cumsum(spec.column_channels)[:-1]
    return [(f"_{name}", part) for name, part in zip(spec.column_names, np.split(values, ends), strict=True)]


class ImageFiles:
    """Writes images into a folder and remembers them for ``images.csv``.

    Args:
        folder: where they go.
        writer: the file format.
        spec: the data.
        about: what the provenance of every image says.
        steps: the postprocessing.
    """

    def __init__(
        self, folder: Path, writer: Writer, spec: DataSpec, about: Mapping[str, Any], steps: Sequence[Step] = ()
    ) -> None:
        self._folder, self._writer, self._spec, self._about, self._steps = folder, writer, spec, about, steps

    def paths(self, request: ImageRequest) -> list[Path]:
        """Return the files of ``request``'s image, once it is complete; the sidecar is written last."""
        paths = [self._folder / name for name in self.record(request).get("files", [])]
        return paths if all(path.is_file() for path in paths) else []

    def record(self, request: ImageRequest) -> dict[str, Any]:
        """Return what the sidecar of ``request``'s image says, whoever wrote it; empty without one."""
        sidecar = self._folder / f"{self._stem(request)}.json"
        record: dict[str, Any] = json.loads(sidecar.read_text(encoding="utf-8")) if sidecar.is_file() else {}
        return record

    def write(self, request: ImageRequest, image: NDArray[np.float32], more: Mapping[str, Any]) -> None:
        """Write ``image (channels, *shape)``, in [-1, 1], with its sidecar, which says ``more`` of this image."""
        stem = self._stem(request)
        record = {**self._about, **self._identity(request), **more}
        convert = to_8_bit if self._writer.as_pictures else to_file_values
        values = convert(image, self._spec, self._steps)
        paths = []
        for ending, voxels in file_parts(values, self._spec, self._writer):
            path = self._folder / f"{stem}{ending}{self._writer.suffix}"
            self._writer(path, voxels, self._spec.geometry, record)
            paths.append(path)
        write_json(self._folder / f"{stem}.json", {**record, "files": [path.name for path in paths]})

    def write_csv(self, path: Path, requests: Sequence[ImageRequest]) -> list[Path]:
        """Write the images of ``requests`` as a CSV that training reads, with relative paths; return the files."""
        written = [(request, self.paths(request)) for request in requests]
        columns = max((len(paths) for _, paths in written), default=0)
        labelled = self._spec.num_classes > 0
        names = [f"Channel_{column}" for column in range(columns)]
        rows: list[list[object]] = [["SubjectID", *names, *(["Label", "LabelMapping"] if labelled else [])]]
        for request, paths in written:
            files = [Path("..", image.name) for image in paths]
            rows.append([f"generated_image_{request.index}", *files, *self._label(request)])
        write_csv(path, rows)
        return [image for _, paths in written for image in paths]

    def _stem(self, request: ImageRequest) -> str:
        label = "" if request.class_index is None else f"_label_{self._spec.labels[request.class_index]}"
        return f"generated_image_{request.index}{label}"

    def _label(self, request: ImageRequest) -> list[Any]:
        if request.class_index is None:
            return []
        return [self._spec.labels[request.class_index], self._spec.class_names[request.class_index]]

    def _identity(self, request: ImageRequest) -> dict[str, Any]:
        identity = {"synthetic": True, "mark": SYNTHETIC_MARK, "index": request.index, "seed": request.seed}
        return identity | dict(zip(("label", "class"), self._label(request), strict=False))
