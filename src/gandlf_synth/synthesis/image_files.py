"""One synthetic image as files: the image itself, one file per CSV column, and a sidecar JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth import registry
from gandlf_synth.config import Step
from gandlf_synth.data.formats.writers import Writer
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.files import write_csv, write_json
from gandlf_synth.provenance import SYNTHETIC_MARK
from gandlf_synth.synthesis.export import by_column, to_8_bit, to_file_values
from gandlf_synth.synthesis.requests import ImageRequest


def image_writer(output_format: str, spec: DataSpec) -> Writer:
    """Return the writer for ``output_format``; ``auto`` is TIFF for histopathology and NIfTI for radiology.

    Raises:
        ConfigError: the format cannot hold such images.
    """
    name = output_format
    if name == "auto":
        name = "tiff" if spec.modality == "histo" and spec.spatial_dims == 2 else "nifti"
    elif name != "nifti" and spec.spatial_dims != 2:
        raise ConfigError(Problem("inference_parameters.output_format", f"{name!r} cannot hold volumes", "nifti"))
    writer: Writer = registry.load("writers", name)
    return writer


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
        found: dict[str, Any] = json.loads(sidecar.read_text(encoding="utf-8")) if sidecar.is_file() else {}
        return found

    def write(self, request: ImageRequest, image: NDArray[np.float32], more: Mapping[str, Any]) -> None:
        """Write ``image (channels, *shape)``, in [-1, 1], with its sidecar, which says ``more`` of this image."""
        stem = self._stem(request)
        record = {**self._about, **self._identity(request), **more}
        paths = []
        for ending, voxels in self._parts(image):
            path = self._folder / f"{stem}{ending}{self._writer.suffix}"
            self._writer.write(path, voxels, self._spec.geometry, record)
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

    def _parts(self, image: NDArray[np.float32]) -> list[tuple[str, NDArray[Any]]]:
        """Return the voxels of each file in their final number type, with what to add to its name."""
        final = to_file_values if self._writer.suffix == ".nii.gz" else to_8_bit
        values = final(image, self._spec, self._steps)
        parts: list[tuple[str, NDArray[Any]]] = []
        for ending, part in by_column(values, self._spec):
            if len(part) in self._writer.channels:
                parts.append((ending, part))
            else:
                parts += [(f"{ending}_channel_{index}", part[index : index + 1]) for index in range(len(part))]
        return parts

    def _label(self, request: ImageRequest) -> list[Any]:
        if request.class_index is None:
            return []
        return [self._spec.labels[request.class_index], self._spec.class_names[request.class_index]]

    def _identity(self, request: ImageRequest) -> dict[str, Any]:
        identity = {"synthetic": True, "mark": SYNTHETIC_MARK, "index": request.index, "seed": request.seed}
        return identity | dict(zip(("label", "class"), self._label(request), strict=False))
