"""Samples a trained model for the rows of a CSV: images from images, masks and numbers, or with a part made anew."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gandlf_synth.config import InferenceParameters
from gandlf_synth.data.loading.condition import join
from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.diffusion.projection import Known
from gandlf_synth.display import SheetRow, contact_sheet, save_png, sized, views
from gandlf_synth.display.console import Reporter
from gandlf_synth.errors import counted
from gandlf_synth.geometry import Geometry, Voxels
from gandlf_synth.model_folder import InferenceFolder
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.sampling import inpaint_batch, sample_batches
from gandlf_synth.progress import Progress
from gandlf_synth.provenance import Purpose, fold_seed
from gandlf_synth.ranks import Ranks
from gandlf_synth.synthesis.copies import CopyGate
from gandlf_synth.synthesis.generate import GenerationResult, first_accepted
from gandlf_synth.synthesis.row_files import RowFiles
from gandlf_synth.synthesis.row_input import RowInput, RowReader

_SHOWN = 8

Images = NDArray[np.float32]
Facts = Mapping[str, Any]


class RowSampler:
    """Makes the images of rows.

    Args:
        module: the trained model.
        options: how to sample, and how often.
        seed: the user's.
        gate: what no copy of a training image passes.
    """

    def __init__(
        self, module: GenerativeModule, options: InferenceParameters, seed: int, gate: CopyGate | None = None
    ) -> None:
        self._module, self._options, self._seed, self._gate = module.eval(), options, seed, gate

    def __call__(self, rows: Sequence[RowInput]) -> Iterator[tuple[RowInput, Images, list[Facts]]]:
        """Yield each row with its images, ``(n_samples, channels, *shape)``, and what to record of each."""
        samples, average = self._options.n_samples, self._options.average
        seeds = [[self._seed_of(row, draw) for draw in range(samples * average)] for row in rows]
        drawn = self._draw([(row, seed) for row, own in zip(rows, seeds, strict=True) for seed in own])
        for row, own in zip(rows, seeds, strict=True):
            images, facts = [], list[Facts]()
            for parts in (own[start : start + average] for start in range(0, len(own), average)):
                image, more = self._accepted(row, _mean([next(drawn) for _ in parts]), parts)
                images.append(image)
                facts.append({"seed": parts[0] if average == 1 else parts, **more})
            yield row, np.stack(images), facts

    def _seed_of(self, row: RowInput, draw: int) -> int:
        return fold_seed(self._seed, Purpose.ROW_IMAGE, row.sample.row, draw)

    def _accepted(self, row: RowInput, image: Images, seeds: Sequence[int]) -> tuple[Images, Facts]:
        if self._gate is None:
            return image, {}

        def again(seed: int) -> Images:
            others = [fold_seed(seed, Purpose.ROW_IMAGE, row.sample.row, draw) for draw in range(len(seeds))]
            return _mean(list(self._draw([(row, other) for other in others])))

        return first_accepted(self._gate, image, seeds[0], again, f"row {row.sample.row}")

    def _draw(self, wanted: Sequence[tuple[RowInput, int]]) -> Iterator[Images]:
        """Yield an image per row and seed; those of one size are sampled together."""
        for _, same in groupby(wanted, key=lambda pair: pair[0].shape):
            pairs, size = list(same), self._options.batch_size
            for batch in (pairs[start : start + size] for start in range(0, len(pairs), size)):
                rows, seeds = zip(*batch, strict=True)
                yield from self._batch(rows, seeds).numpy()

    def _batch(self, rows: Sequence[RowInput], seeds: Sequence[int]) -> torch.Tensor:
        condition = join([row.condition for row in rows])
        known = [row.known for row in rows if row.known is not None]
        if known:
            both = Known(torch.cat([each.clean for each in known]), torch.cat([each.region for each in known]))
            return inpaint_batch(self._module, seeds, condition, both, self._options)
        (images,) = sample_batches(self._module, [(seeds, condition)], self._options)
        return images


def _mean(images: Sequence[Images]) -> Images:
    mean: Images = np.stack(images).mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def generate_from_rows(
    sampler: RowSampler,
    read: RowReader,
    files: RowFiles,
    samples: Sequence[Sample],
    reporter: Reporter,
    bar: Progress,
    *,
    rows_together: int,
    ranks: Ranks,
) -> GenerationResult:
    """Make the images of every row that are not there yet, and write them on the grids of the rows.

    Args:
        sampler: makes the images.
        read: reads a row.
        files: writes them.
        samples: the rows.
        reporter: says what was done.
        bar: shows progress.
        rows_together: rows in memory at a time.
        ranks: the processes that share the rows out.
    """
    place = InferenceFolder(files.layout.folder)
    if ranks.is_first:
        reporter.open_log(place.log_file)
        for remark in (*files.task.remarks, *files.format_remarks(samples)):
            reporter.say(remark, "yellow")
    missing = [sample for sample in ranks.shard(samples) if not files.is_complete(sample)]
    shown: list[SheetRow] = []
    chunks = [missing[start : start + rows_together] for start in range(0, len(missing), rows_together)]
    for chunk in bar(chunks, len(chunks), "Generating"):
        for row, images, facts in sampler([read(sample) for sample in chunk]):
            values = files.write(row, images, facts)
            if len(shown) < _SHOWN:
                shown.append(_sheet_row(row, values[0], files))
    ranks.barrier()
    if not ranks.is_first:
        return GenerationResult(files.layout.folder, [], place.contact_sheet)
    written = files.write_csv(place.images_csv, samples)
    files.describe(samples)
    if shown:
        sheet = contact_sheet(shown, title="Given, made, and true where it is known")
        save_png(sheet, place.contact_sheet, synthetic=True)
    reporter.say(f"{counted(len(samples), 'row')} in {counted(len(written), 'file')} and {place.contact_sheet}")
    return GenerationResult(files.layout.folder, written, place.contact_sheet)


def _sheet_row(row: RowInput, made: Voxels, files: RowFiles) -> SheetRow:
    """Return what to show of a row: what the image was made from, the image, and the true one where the row has it."""
    target = None if row.target is None else row.target.array
    pictures: list[tuple[str, Voxels, Voxels, Geometry]] = [
        ("made", made, made if target is None else target, row.grid)
    ]
    if row.shown is not None and not files.task.inpaints:
        pictures.insert(0, ("given", row.shown.array, row.shown.array, row.shown.geometry))
    if target is not None and not files.task.refines:
        title = "before" if files.task.inpaints else "true"
        pictures.append((title, target, target, row.grid))
    tiles = []
    for _, array, ranged, grid in pictures:
        low, high = np.percentile(ranged, (0.5, 99.5)).tolist()
        tiles += views(array, grid, colour=files.spec.modality == "histo", low=low, high=high)
    longest = max(max(tile.shape[:2]) for tile in tiles)
    titles = ", ".join(title for title, *_ in pictures)
    return SheetRow(f"row {row.sample.row}: {titles}", [sized(tile, longest) for tile in tiles])
