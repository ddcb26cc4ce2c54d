"""Passes images through a model and writes what comes out where the image was, with how near it is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gandlf_synth import registry
from gandlf_synth.data.formats.image import Image, stacked
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.formats.writers import Writer
from gandlf_synth.data.loading.conditioners import encode_rows
from gandlf_synth.data.loading.network_input import network_input, preprocessed
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.value_range import data_scale, in_number_type, undo_preprocessing, windowed
from gandlf_synth.data.processing.pipeline import Pipeline, with_channels
from gandlf_synth.data.processing.transforms.resampling import resample_onto
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.display import SheetRow, contact_sheet, save_png, views
from gandlf_synth.errors import DataError, Problem, listing
from gandlf_synth.files import write_csv
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.progress import Progress
from gandlf_synth.provenance import DERIVED_MARK, software_versions
from gandlf_synth.synthesis.image_files import write_parts
from gandlf_synth.synthesis.layout import PlainLayout

_SHOWN = 8
_DEFAULT_METRICS = (
    "mean_absolute_error", "peak_signal_noise_ratio", "structural_similarity_index", "ncc_max",
)  # fmt: skip


@dataclass(frozen=True)
class ReconstructionResult:
    """What was written.

    Args:
        folder: where.
        images: every image file.
        metrics: the mean of every metric over the images.
        table: the CSV with a row per image.
    """

    folder: Path
    images: list[Path]
    metrics: dict[str, float]
    table: Path


@dataclass(frozen=True)
class _Pair:
    sample: Sample
    original: Image
    values: NDArray[np.float64]
    """The reconstruction, ``(channels, *shape)``, on the grid and in the units of ``original``."""


def reconstruct_images(
    module: GenerativeModule,
    manifest: Manifest,
    pipeline: Pipeline,
    folder: Path,
    source: Mapping[str, Any],
    bar: Progress,
    *,
    batch_size: int,
    writer: Writer,
    metrics: Sequence[str] = (),
) -> ReconstructionResult:
    """Reconstruct every image of ``manifest`` and compare it with the original.

    Args:
        module: a trained model that can reconstruct.
        manifest: the images.
        pipeline: the preprocessing of the model.
        folder: where images, ``reconstructions.csv`` and ``contact_sheet.png`` go.
        source: what every image's provenance says of the model.
        bar: shows progress.
        batch_size: images passed together.
        writer: the file format.
        metrics: registered names; none: error, PSNR, SSIM and correlation.

    Raises:
        DataError: an image cannot be read or preprocessed, or is of a number type that the format cannot hold.
    """
    names = list(metrics) or list(_DEFAULT_METRICS)
    measures = {name: registry.load("paired_metrics", name) for name in names}
    about = {**source, "synthetic": True, "mark": DERIVED_MARK, "software": software_versions()}
    batches = [manifest.samples[start : start + batch_size] for start in range(0, len(manifest.samples), batch_size)]
    rows: list[list[Any]] = []
    images: list[Path] = []
    tiles: list[list[SheetRow]] = []
    for pair in _reconstructed(module, manifest, pipeline, bar(batches, len(batches), "Reconstructing")):
        _check_type(manifest, pair, writer)
        images += _write(pair, folder, writer, module.spec, {**about, "csv": manifest.path.name})
        values = {name: measure(pair.original.array, pair.values, None) for name, measure in measures.items()}
        rows.append([pair.sample.row, pair.sample.subject, pair.sample.label_name or "", *values.values()])
        if len(tiles) < _SHOWN:
            tiles.append(_shown(pair, module.spec))
    table = folder / "reconstructions.csv"
    write_csv(table, [["row", "subject", "class", *names], *rows])
    save_png(
        contact_sheet([row for pair in tiles for row in pair], title="Original and reconstruction"),
        folder / "contact_sheet.png",
        synthetic=True,
    )
    means = np.mean([row[3:] for row in rows], axis=0)
    return ReconstructionResult(folder, images, dict(zip(names, map(float, means), strict=True)), table)


@torch.inference_mode()
def _reconstructed(module: GenerativeModule, manifest: Manifest, pipeline: Pipeline, batches: Any) -> Iterator[_Pair]:
    spec = module.spec
    for samples in batches:
        prepared = [preprocessed(manifest, sample, pipeline) for sample in samples]
        condition = encode_rows(samples, spec.parts).to(module.device)
        outputs = module.reconstruct(network_input(prepared, spec).to(module.device), condition).float().cpu().numpy()
        for sample, image, output in zip(samples, prepared, outputs, strict=True):
            original = _original(sample, spec)
            values = undo_preprocessing(output, image, spec)
            on_file_grid = resample_onto(values, image.geometry, original.geometry)
            yield _Pair(sample, original, in_number_type(on_file_grid, original.dtype).astype(np.float64))


def _original(sample: Sample, spec: DataSpec) -> Image:
    columns = zip(sample.channels, spec.column_channels, strict=True)
    return stacked([with_channels(read_image(path), channels) for path, channels in columns])


def _check_type(manifest: Manifest, pair: _Pair, writer: Writer) -> None:
    """Refuse an image of a number type that the format cannot hold; others of the set may have another one."""
    number_type = pair.original.dtype
    if not writer.holds(number_type):
        what = f"has values of type {number_type}, which {writer.suffix} files cannot hold"
        allowed = listing(writer.number_types)
        raise DataError(Problem(manifest.where(pair.sample, 0), what, allowed, "choose another output format"))


def _write(pair: _Pair, folder: Path, writer: Writer, spec: DataSpec, about: Mapping[str, Any]) -> list[Path]:
    place = PlainLayout(folder, spec.column_names).of_name(f"reconstruction_{pair.sample.row}")
    record = {**about, "row": pair.sample.row, "kind": "reconstruction"}
    values = in_number_type(pair.values, pair.original.dtype)
    return write_parts(
        place, values, spec, writer.made_from(pair.sample.channels), pair.original.geometry, record, data_scale(spec)
    )


def _shown(pair: _Pair, spec: DataSpec) -> list[SheetRow]:
    low, high = np.percentile(pair.original.array, (0.5, 99.5))
    rows = []
    for title, array in ((f"row {pair.sample.row}", pair.original.array), ("", pair.values)):
        shown = windowed(array, low, high)
        rows.append(SheetRow(title, views(shown, pair.original.geometry, colour=spec.modality == "histo")))
    return rows
