"""One row of a CSV as a trained model sees it, and as its files have it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gandlf_synth.data.formats.image import Image, stacked
from gandlf_synth.data.formats.readers import UnreadableError, read_image
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.conditioners import encode_rows
from gandlf_synth.data.loading.painting import Painter, joined
from gandlf_synth.data.loading.sample_images import SampleImages
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.value_range import ValueRange
from gandlf_synth.data.processing.base import TransformError
from gandlf_synth.data.processing.pipeline import Pipeline, keeps_grid, sets_resolution, with_channels
from gandlf_synth.data.processing.transforms.resampling import on_grid, touched_voxels
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.data.table.row_checks import capped
from gandlf_synth.diffusion.projection import Known
from gandlf_synth.errors import DataError, Problem, raise_if_any
from gandlf_synth.geometry import Geometry
from gandlf_synth.synthesis.row_task import RowTask


@dataclass(frozen=True)
class RowInput:
    """What an image is made from, and where it belongs.

    Args:
        sample: the row.
        prepared: the row on the grid of the network: channels, then sources; None where it has no image and no mask.
        grid: of the file that is written.
        condition: of one image.
        known: of one image, where a model inpaints that was not trained for it.
        target: the image in the channel columns as its files have it; None where the row has none.
        region: where ``target`` is made anew, ``(*shape)``; None unless it is inpainted.
        shown: an image that it is made from, for the contact sheet.
    """

    sample: Sample
    prepared: Image | None
    grid: Geometry
    condition: Condition
    known: Known | None
    target: Image | None
    region: NDArray[np.bool_] | None
    shown: Image | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis of what the network makes; none where the model decides."""
        return () if self.prepared is None else self.prepared.geometry.shape


class RowReader:
    """Reads rows.

    Args:
        manifest: the CSV, for messages.
        pipeline: the preprocessing of the model.
        spec: the data that it was trained on.
        task: what is made of the rows.
    """

    def __init__(self, manifest: Manifest, pipeline: Pipeline, spec: DataSpec, task: RowTask) -> None:
        self._manifest, self._pipeline, self._spec, self._task = manifest, pipeline, spec, task
        self._painter = Painter(task.parts)

    def __call__(self, sample: Sample) -> RowInput:
        """Return a row.

        Raises:
            DataError: a file of it cannot be read, or cannot be prepared as in training.
        """
        try:
            return self._read(sample)
        except (UnreadableError, TransformError) as error:
            where = f"{self._manifest.path} row {sample.row}"
            raise DataError(Problem(where, f"cannot be used: {error}")) from error

    def check_regions(self, samples: Sequence[Sample]) -> None:
        """Refuse rows whose region the preprocessing cuts off; only the prepared images show it.

        Raises:
            DataError: each of them.
        """
        if not self._task.inpaints or keeps_grid(self._pipeline.steps):
            return
        problems = list[Problem]()
        for sample in samples:
            try:
                self(sample)
            except DataError as error:
                problems += error.problems
        raise_if_any(capped(problems), DataError)

    def _read(self, sample: Sample) -> RowInput:
        target, seen = _read_target(sample, self._spec), self._task.seen(sample)
        path = grid_file(seen)
        if path is None:
            condition = encode_rows([sample], self._task.parts)
            return RowInput(sample, None, self._spec.geometry, condition, None, target, None, None)
        shown = read_image(path)
        image, missing = self._pipeline.read(seen)
        if self._task.refines and not sets_resolution(self._pipeline.steps):
            image = on_grid(image, self._finer(image.geometry))
        marked = image.mask if self._task.region_column == "Mask" else image.region
        region = marked != 0 if self._task.inpaints and marked is not None else None
        if region is not None:
            image = fill_region(image, region)
        prepared = self._pipeline.apply(image, missing)
        known = None
        if region is not None:
            touched = self._touched(sample, region, image.geometry, prepared.geometry)
            prepared = replace(prepared, region=touched.astype(np.int32))
            known = self._known(prepared, touched) if self._task.projects else None
        condition = joined(encode_rows([sample], self._task.parts), self._paint(prepared), self._task.parts)
        grid = refined(shown.geometry, prepared.geometry) if self._task.refines else shown.geometry
        return RowInput(sample, prepared, grid, condition, known, target, region, shown)

    def _finer(self, given: Geometry) -> Geometry:
        """Return the grid of an image with voxels as small as the model knows them; pictures have no size in mm."""
        if given.physical and self._spec.geometry.physical:
            return refined(given, self._spec.geometry)
        lengths, factors = np.array(given.shape), np.array(self._task.factors(given.spatial_dims))
        shape = np.rint(lengths * factors).astype(int)
        return given.resampled(tuple(shape.tolist()), tuple((np.array(given.spacing) * lengths / shape).tolist()))

    def _touched(
        self, sample: Sample, region: NDArray[np.bool_], old: Geometry, new: Geometry
    ) -> NDArray[np.bool_]:  # fmt: skip
        """Return the voxels of the network's grid that are made anew: all that a voxel of the region is made from."""
        touched, outside = touched_voxels(region, old, new)
        if outside:
            column = self._task.region_column
            where = f"{self._manifest.path} row {sample.row}, column {column} ({sample.named_files[column]})"
            what = f"{outside} of {int(region.sum())} voxels lie outside of what the preprocessing keeps of the image"
            raise DataError(Problem(where, what, fix="make the region smaller, or train without cropping"))
        return touched

    def _known(self, prepared: Image, region: NDArray[np.bool_]) -> Known:
        clean = ValueRange.of(self._spec).to_network(prepared.array[: self._spec.num_channels])
        return Known(torch.from_numpy(clean)[None], torch.from_numpy(region)[None, None])

    def _paint(self, prepared: Image) -> dict[str, torch.Tensor]:
        if not self._painter:
            return {}
        count = self._spec.num_channels
        values = ValueRange.with_sources(self._spec).to_network(
            prepared.array[: count + sum(self._spec.source_channels)]
        )
        starts = np.cumsum([count, *self._spec.source_channels])[:-1]
        given = ~np.isnan(prepared.scale)
        values[~given[: len(values)]] = 0
        images = SampleImages(
            image=values[:count] if self._task.takes_image else None,
            sources=values[count:],
            source_channels=self._spec.source_channels,
            available=tuple(bool(given[start]) for start in starts),
            mask=None if prepared.mask is None else prepared.mask.astype(np.uint16),
            region=None if prepared.region is None else prepared.region.astype(np.uint16),
            spacing=prepared.geometry.spacing,
        )
        return dict(self._painter([images]))


def fill_region(image: Image, region: NDArray[np.bool_]) -> Image:
    """Return ``image`` with every voxel of ``region`` as the nearest one outside of it.

    What a lesion looked like, or that it was cut out as zeros, then changes neither the range of the image that
    preprocessing finds nor the latents beside it.
    """
    from scipy import ndimage

    nearest = ndimage.distance_transform_edt(
        region, image.geometry.spacing, return_distances=False, return_indices=True
    )
    return image.with_values(image.array[(slice(None), *nearest)])


def refined(given: Geometry, prepared: Geometry) -> Geometry:
    """Return the grid of the axes and the extent of ``given`` with voxels as small as those of ``prepared``.

    Example:
        >>> given, prepared = Geometry((4, 6), np.diag([2.0, 1, 1, 1])), Geometry((8, 6))
        >>> refined(given, prepared).shape, refined(given, prepared).spacing
        ((8, 6), (1.0, 1.0))
    """
    dims = given.spatial_dims
    directions, others = (grid.affine[:3, :dims] / np.array(grid.spacing) for grid in (given, prepared))
    nearest = np.abs(directions.T @ others).argmax(axis=1)
    wanted = np.minimum(given.spacing, np.array(prepared.spacing)[nearest])
    extent = np.array(given.shape) * given.spacing
    shape = np.maximum(given.shape, np.rint(extent / wanted).astype(int))
    return given.resampled(tuple(shape.tolist()), tuple((extent / shape).tolist()))


def grid_file(sample: Sample) -> Path | None:
    """Return the file whose grid the image gets: the first source, else the mask, else the image itself."""
    sources = [path for path in sample.sources if path is not None]
    channels = sample.channels[:1]
    return next(iter([*sources, *([sample.mask] if sample.mask else []), *channels]), None)


def _read_target(sample: Sample, spec: DataSpec) -> Image | None:
    if len(sample.channels) != len(spec.column_channels):
        return None
    columns = zip(sample.channels, spec.column_channels, strict=True)
    return stacked([with_channels(read_image(path), channels) for path, channels in columns])
