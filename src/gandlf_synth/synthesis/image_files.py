"""One synthetic image as files: the image itself, one file per CSV column, and a sidecar JSON."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gandlf_synth.config import Step
from gandlf_synth.data.formats.checksums import content_sha256, pixels_sha256
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.formats.recorded_scale import RecordedScale
from gandlf_synth.data.formats.writers import Writer
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.value_range import data_scale, picture_scale, to_8_bit, to_file_values
from gandlf_synth.files import relative_to, write_csv, write_json
from gandlf_synth.geometry import Geometry, Voxels
from gandlf_synth.provenance import SYNTHETIC_MARK
from gandlf_synth.signing import Signer
from gandlf_synth.synthesis.layout import Described, ImagePlace, Layout
from gandlf_synth.synthesis.requests import ImageRequest


def write_parts(
    place: ImagePlace, values: Voxels, spec: DataSpec, writer: Writer, geometry: Geometry, record: Mapping[str, Any],
    recorded: RecordedScale, signer: Signer | None = None,
) -> list[Path]:  # fmt: skip
    """Write the files of one image and then the sidecars that list them; return the files.

    A file holds the channels of one CSV column, or one channel where the format cannot hold them together.

    Args:
        place: where they go.
        values: ``(channels, *shape)``, as they are written.
        spec: the data.
        writer: the file format.
        geometry: the grid.
        record: the provenance.
        recorded: how the values relate to those of the data; each file says it of its channels, with what these are.
        signer: signs what each file and the sidecars say.
    """
    paths: list[Path] = []
    pixels: list[str] = []
    start = 0
    parts = file_parts(values, spec, writer)
    for number, (column, ending, voxels) in enumerate(parts, start=1):
        path = place.folder / f"{place.names[column]}{ending}{writer.suffix}"
        own: dict[str, Any] = {**record, **recorded.channels(start, len(voxels)).as_provenance()}
        if spec.modality_of_columns[column]:
            own["modality"] = spec.modality_of_columns[column]
        if len(parts) > 1:
            own["part"] = {"number": number, "name": f"{spec.column_names[column]}{ending}"}
        if writer.exact:
            own["pixels_sha256"] = pixels_sha256(voxels)
        writer(path, voxels, geometry, signer.sign(own) if signer else own)
        paths.append(path)
        pixels.append(own.get("pixels_sha256") or pixels_sha256(read_image(path).array))
        start += len(voxels)
    names = [path.name for path in paths]
    about = {
        **place.facts, **record, **recorded.as_provenance(), "files": names,
        "pixels_sha256": dict(zip(names, pixels, strict=True)),
        "sha256": {path.name: content_sha256(path) for path in paths},
    }  # fmt: skip
    for sidecar in place.sidecars:
        write_json(place.folder / sidecar, signer.sign(about) if signer else about)
    return paths


def format_remarks(writer: Writer, spec: DataSpec) -> list[str]:
    """Return what a person should know before images of the data are written in a format."""
    return list(dict.fromkeys(remark for modality in spec.modality_of_columns if (remark := writer.remark(modality))))


def file_parts(values: Voxels, spec: DataSpec, writer: Writer) -> list[tuple[int, str, Voxels]]:
    """Return the voxels of each file, with its CSV column and what to add to the file's name."""
    parts: list[tuple[int, str, Voxels]] = []
    for number, column in enumerate(np.split(values, np.cumsum(spec.column_channels)[:-1])):
        if writer.fits(column):
            parts.append((number, "", column))
        else:
            parts += [(number, f"_channel_{index}", column[index : index + 1]) for index in range(len(column))]
    return parts


class ImageFiles:
    """Writes images and remembers them for ``images.csv``.

    Args:
        layout: where they go.
        writer: the file format.
        spec: the data.
        about: what the provenance of every image says.
        steps: the postprocessing.
        signer: signs the images.
    """

    def __init__(
        self,
        layout: Layout,
        writer: Writer,
        spec: DataSpec,
        about: Mapping[str, Any],
        steps: Sequence[Step] = (),
        signer: Signer | None = None,
    ) -> None:
        self._layout, self._writer, self._spec, self._about = layout, writer, spec, about
        self._steps, self._signer = steps, signer

    def paths(self, request: ImageRequest) -> list[Path]:
        """Return the files of ``request``'s image, once it is complete."""
        return self._place(request).files()

    def record(self, request: ImageRequest) -> dict[str, Any]:
        """Return what the sidecar of ``request``'s image says; empty without one."""
        return self._place(request).record()

    def write(self, request: ImageRequest, image: NDArray[np.float32], more: Mapping[str, Any]) -> None:
        """Write ``image (channels, *shape)``, in [-1, 1], with its sidecar, which says ``more`` of this image."""
        spec, record = self._spec, {**self._about, **self._identity(request), **more}
        if self._writer.as_pictures:
            values, recorded = to_8_bit(image, spec, self._steps), picture_scale(spec)
        else:
            values, recorded = to_file_values(image, spec, self._steps), data_scale(spec)
        write_parts(self._place(request), values, spec, self._writer, spec.geometry, record, recorded, self._signer)

    def write_csv(self, path: Path, requests: Sequence[ImageRequest]) -> list[Path]:
        """Write the images of ``requests`` as a CSV that training reads, with relative paths; return the files."""
        written = [(request, self.paths(request)) for request in requests]
        columns = max((len(paths) for _, paths in written), default=0)
        labelled = self._spec.num_classes > 0
        names = [f"Channel_{column}" for column in range(columns)]
        rows: list[list[object]] = [["SubjectID", *names, *(["Label", "LabelMapping"] if labelled else [])]]
        for request, paths in written:
            files = [relative_to(image, path) for image in paths]
            rows.append([f"generated_image_{request.index}", *files, *self._label(request)])
        write_csv(path, rows)
        return [image for _, paths in written for image in paths]

    def describe(self, requests: Sequence[ImageRequest]) -> None:
        """Write what describes the whole of the images."""
        images = [Described(self._place(request), self._conditions(request)) for request in requests]
        self._layout.describe(images, self._about)

    def _place(self, request: ImageRequest) -> ImagePlace:
        index = request.class_index
        return self._layout.of_number(request.index, None if index is None else self._spec.labels[index])

    def _label(self, request: ImageRequest) -> list[Any]:
        if request.class_index is None:
            return []
        return [self._spec.labels[request.class_index], self._spec.class_names[request.class_index]]

    def _conditions(self, request: ImageRequest) -> dict[str, Any]:
        return dict(zip(("label", "class"), self._label(request), strict=False))

    def _identity(self, request: ImageRequest) -> dict[str, Any]:
        identity = {"synthetic": True, "mark": SYNTHETIC_MARK, "index": request.index, "seed": request.seed}
        return identity | self._conditions(request)
