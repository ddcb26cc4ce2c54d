"""Samples a trained model and writes the images, each with its provenance."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from gandlf_synth import registry
from gandlf_synth.data.spec import DataSpec
from gandlf_synth.display import SheetRow, contact_sheet, save_png, views
from gandlf_synth.display.progress import progress_bar
from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.files import write_json
from gandlf_synth.models.base import GenerativeModule, SamplingOptions
from gandlf_synth.provenance import SYNTHETIC_MARK, software_versions
from gandlf_synth.synthesis.export import by_column, to_8_bit, to_file_values
from gandlf_synth.synthesis.requests import ImageRequest

_SHEET_IMAGES = 64


@dataclass(frozen=True)
class GenerationResult:
    """What was written.

    Args:
        folder: where.
        images: every image file, in the order of the requests.
        sheet: a contact sheet of the first images.
    """

    folder: Path
    images: list[Path] = field(default_factory=list)
    sheet: Path | None = None


def generate_images(
    module: GenerativeModule[Any],
    requests: Sequence[ImageRequest],
    folder: Path,
    source: Mapping[str, Any],
    console: Console,
    *,
    batch_size: int,
    output_format: str,
    options: SamplingOptions,
) -> GenerationResult:
    """Make every requested image and write it with a sidecar JSON beside it.

    Args:
        module: the trained model.
        requests: the images.
        folder: where they go.
        source: what every image's provenance says of the model.
        console: where progress is shown.
        batch_size: images sampled together.
        output_format: ``nifti``, ``png``, ``tiff``, or ``auto`` for the modality's own.
        options: how to sample.
    """
    spec = module.spec
    writer = image_writer(output_format, spec)
    about = {**source, "sampling": module.sampling_defaults(options), "software": software_versions()}
    files: list[Path] = []
    tiles: dict[str, list[Any]] = {}
    for number, (request, image) in enumerate(sampled(module, requests, batch_size, options, console)):
        record = {**about, **_identity(request, spec)}
        files += write_image(writer, folder / _name(request, spec), image, spec, record)
        if number < _SHEET_IMAGES:
            title = "" if request.class_index is None else spec.class_names[request.class_index]
            tiles.setdefault(title, []).extend(views(image, spec.geometry, colour=spec.modality == "histo"))
    sheet = folder / "contact_sheet.png"
    save_png(contact_sheet([SheetRow(title, row) for title, row in tiles.items()], title="synthetic"), sheet)
    return GenerationResult(folder, files, sheet)


@torch.inference_mode()
def sampled(
    module: GenerativeModule[Any],
    requests: Sequence[ImageRequest],
    batch_size: int,
    options: SamplingOptions,
    console: Console,
) -> Iterator[tuple[ImageRequest, NDArray[np.float32]]]:
    """Yield every request with its image, ``(channels, *shape)`` in [-1, 1]."""
    module.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    batches = [requests[start : start + batch_size] for start in range(0, len(requests), batch_size)]
    bar = progress_bar(console)
    for batch in bar(batches, len(batches), "Generating"):
        classes = [request.class_index for request in batch if request.class_index is not None]
        labels = torch.tensor(classes, device=module.device) if classes else None
        images = module.sample([request.seed for request in batch], labels, options)
        yield from zip(batch, images.float().cpu().numpy(), strict=True)


def image_writer(output_format: str, spec: DataSpec) -> Any:
    """Return the writer for ``output_format``.

    Raises:
        ConfigError: the format cannot hold such images.
    """
    name = output_format
    if name == "auto":
        name = "tiff" if spec.modality == "histo" and spec.spatial_dims == 2 else "nifti"
    elif name != "nifti" and spec.spatial_dims != 2:
        raise ConfigError(Problem("inference_parameters.output_format", f"{name!r} cannot hold volumes", "nifti"))
    return registry.load("writers", name)


def write_image(
    writer: Any, stem: Path, image: NDArray[np.float32], spec: DataSpec, record: dict[str, Any]
) -> list[Path]:
    """Write one image, one file per CSV column, and its sidecar JSON; return the image files.

    Args:
        writer: a registered writer.
        stem: the path without ending.
        image: ``(channels, *shape)`` in [-1, 1].
        spec: the data.
        record: the provenance.
    """
    pictures = writer.suffix != ".nii.gz"
    values = to_8_bit(image, spec) if pictures else to_file_values(image, spec)
    files = []
    for addition, part in by_column(values, spec):
        allowed = writer.channels
        single = allowed is not None and part.shape[0] not in allowed
        for number, channels in enumerate([part[c : c + 1] for c in range(part.shape[0])] if single else [part]):
            suffix = f"_channel_{number}" if single else ""
            path = stem.with_name(f"{stem.name}{addition}{suffix}{writer.suffix}")
            writer.write(path, channels, spec.geometry, record)
            files.append(path)
    write_json(stem.with_name(f"{stem.name}.json"), {**record, "files": [path.name for path in files]})
    return files


def _name(request: ImageRequest, spec: DataSpec) -> str:
    label = "" if request.class_index is None else f"_label_{spec.labels[request.class_index]}"
    return f"generated_image_{request.index}{label}"


def _identity(request: ImageRequest, spec: DataSpec) -> dict[str, Any]:
    identity: dict[str, Any] = {"synthetic": True, "mark": SYNTHETIC_MARK, "index": request.index, "seed": request.seed}
    if request.class_index is not None:
        identity |= {"label": spec.labels[request.class_index], "class": spec.class_names[request.class_index]}
    return identity
