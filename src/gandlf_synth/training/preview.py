"""What the network will really see: raw, preprocessed and augmented images side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from gandlf_synth.data.formats.image import stacked
from gandlf_synth.data.formats.readers import read_image
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.value_range import windowed
from gandlf_synth.data.processing.augmenter import Augmenter
from gandlf_synth.data.processing.pipeline import with_channels
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.data.table.stored_manifest import StoredManifest
from gandlf_synth.display import SheetRow, contact_sheet, save_png, sized, views
from gandlf_synth.display.console import progress_bar
from gandlf_synth.files import write_text
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.provenance import Purpose, fold_seed
from gandlf_synth.training.data import prepare_data
from gandlf_synth.training.record import resolved_yaml
from gandlf_synth.training.request import TrainingRequest
from gandlf_synth.training.run_plan import plan_run

_AUGMENTED = 3
_SIDE = 160
"""Pixels of the longest side of a shown image."""


def preview(request: TrainingRequest, folder: Path, console: Console, *, count: int = 6) -> Path:
    """Write ``preview.png`` and the resolved configuration, and return the picture.

    Each row is one sample: as it lies in the file, as it is prepared, and under three draws of the augmentation.

    Args:
        request: the configuration and the CSVs.
        folder: where it goes.
        console: where progress is shown.
        count: samples to show, spread evenly over the training split.

    Raises:
        ConfigError, DataError: as in training.
    """
    planned = plan_run(request, console)
    plan, facts = planned.plan, planned.facts
    chosen = _spread(planned.splits["train"], count)
    data = prepare_data({"train": chosen}, planned.scans, plan.config, facts, planned.cache, progress_bar(console))
    steps = plan.config.data_augmentation.train or []
    augmenter = Augmenter(list(steps), data.spec.spatial_dims) if steps else None
    rows = []
    for place, sample in enumerate(chosen.samples):
        seen = torch.from_numpy(data.value_range.to_network(data.samples["train"].voxels(place)))
        seeds = [fold_seed(plan.config.seed, Purpose.PREVIEW, sample.row, draw) for draw in range(_AUGMENTED)]
        count, mask = data.spec.num_channels, data.samples["train"].mask(place)
        labels = None if mask is None else torch.from_numpy(mask.astype(np.int32))[None]
        drawn = [augmenter.together(seen, count, labels, seed) for seed in seeds] if augmenter else []
        # A cell of a store holds the channels of all columns together.
        columns = [data.spec.num_channels] if isinstance(chosen, StoredManifest) else facts.column_channels
        tiles = [*_raw(sample, columns, data.spec)] if sample.channels else []
        for image, maps in ((seen, labels), *drawn):
            tiles += _tiles(image, maps, data.spec)
        rows.append(
            SheetRow(f"row {sample.row} {sample.label_name or sample.subject}", [sized(tile, _SIDE) for tile in tiles])
        )
    shown = {"source": bool(data.spec.source_channels), "mask": data.samples["train"].mask(0) is not None}
    parts = "".join(f", its {name}" for name, is_there in shown.items() if is_there)
    title = f"file, prepared{parts}" + (
        f", augmented {_AUGMENTED} times" if augmenter else "; no augmentation is configured"
    )
    picture = folder / "preview.png"
    save_png(contact_sheet(rows, tile=_SIDE, title=title), picture)
    write_text(ModelFolder(folder).resolved_config, resolved_yaml(plan))
    return picture


def _tiles(image: torch.Tensor, labels: torch.Tensor | None, spec: DataSpec) -> list[Any]:
    """Return an image, each channel of what it is made from, and its mask beside one another."""
    tiles = views(image[: spec.num_channels].numpy(), spec.geometry, colour=spec.modality == "histo")
    for channel in image[spec.num_channels :]:
        tiles += views(channel[None].numpy(), spec.geometry)
    if labels is not None:
        grey = labels.float() / max(1, int(labels.max())) * 2 - 1
        tiles += views(grey.numpy(), spec.geometry)
    return tiles


def _spread(manifest: Manifest, count: int) -> Manifest:
    places = np.unique(np.linspace(0, len(manifest.samples) - 1, count).round().astype(int))
    return manifest.subset(manifest.samples[place] for place in places)


def _raw(sample: Sample, column_channels: Sequence[int], spec: DataSpec) -> list[Any]:
    """Return the file's image scaled by its own range."""
    columns = zip(sample.channels[: len(column_channels)], column_channels, strict=True)
    image = stacked([with_channels(read_image(path), channels) for path, channels in columns])
    axes = tuple(range(1, image.array.ndim))
    low, high = np.percentile(image.array, (0.5, 99.5), axis=axes, keepdims=True)
    return views(windowed(image.array, low, high), image.geometry, colour=spec.modality == "histo")
