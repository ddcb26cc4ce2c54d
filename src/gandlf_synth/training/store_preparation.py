"""Makes a store of prepared images: scan, plan, write shards; tasks share the work, and a killed one goes on."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from gandlf_synth.config import Document, LoadedConfig, Phase
from gandlf_synth.data.formats.cache_folder import default_cache
from gandlf_synth.data.formats.scan import FileScan, Scans, identity, scan_files, scan_from_text, scan_to_text
from gandlf_synth.data.formats.shards.encoding import StoredType
from gandlf_synth.data.formats.shards.index import (
    DESCRIPTION,
    SHARDS,
    IndexPart,
    StoreDescription,
    is_store,
    read_description,
    shard_name,
    store_location,
    write_index,
)
from gandlf_synth.data.formats.shards.location import Location
from gandlf_synth.data.inspection.fingerprint import fingerprint
from gandlf_synth.data.inspection.units import check_depths
from gandlf_synth.data.loading.shard_writer import ShardWriter, made_images, write_shard
from gandlf_synth.data.loading.store import SampleMaker, sample_key
from gandlf_synth.data.table.manifest import Manifest, Sample, read_manifest
from gandlf_synth.data.table.stored_manifest import rows_of_store
from gandlf_synth.display.console import progress_bar
from gandlf_synth.errors import ConfigError, Problem, counted, option
from gandlf_synth.files import TakesPaths
from gandlf_synth.progress import Progress
from gandlf_synth.training.plan import PlannedRun, plan_survey
from gandlf_synth.training.request import TrainingRequest, read_configuration
from gandlf_synth.training.store_plan import StorePlan, agreed_plan, data_of, pipeline_of, plan_store
from gandlf_synth.training.stored_data import as_prepared, facts_to_json
from gandlf_synth.training.survey import ImageSurvey, Survey

_SCANS, _UNIT = "scans", 512
"""Where tasks leave each other what they found out about files, and the rows of one such file."""
SHARD_BYTES = 256_000_000


@dataclass(frozen=True)
class PreparationRequest(TakesPaths):
    """What the user asked for.

    Args:
        config: the YAML, or one that was parsed already.
        csv: the images.
        output: folder or URL of the store; None: ``data_store.location`` of the configuration.
        task: the number of this task, from 1, and how many share the work.
        stored_type: in which numbers voxels are kept; None: ``data_store.dtype`` of the configuration.
        phase: the phase of a training that the images are for.
        like: a store whose preprocessing is taken over, as that of the training images for validation images.
        shard_bytes: of a shard, about.

    >>> PreparationRequest("config.yaml", "data.csv", "store", task=(3, 16)).csv.name
    'data.csv'
    """

    config: Path | Document
    csv: Path
    output: Path | None = None
    task: tuple[int, int] = (1, 1)
    stored_type: StoredType | None = None
    phase: Phase = "train"
    like: Path | None = None
    shard_bytes: int = SHARD_BYTES


@dataclass(frozen=True)
class PreparationResult:
    """What is there after a task.

    Args:
        store: folder or URL, without credentials.
        rows: of the whole store.
        shards: of the whole store.
        missing: shards that other tasks have not written yet; the store can be used when there are none.
        stored_type: the numbers in which voxels are kept.
        size: bytes of all shards; 0 while some are missing.
        largest_error, mean_error: of stored values as shares of the range of their image; the second is the root of
            the mean square.
    """

    store: str
    rows: int
    shards: int
    missing: int
    stored_type: StoredType
    size: int = 0
    largest_error: float = 0.0
    mean_error: float = 0.0

    def __str__(self) -> str:
        """Return it in words."""
        if self.missing:
            return (
                f"{self.store}: {self.missing} of {counted(self.shards, 'shard')} are for other tasks or still missing"
            )
        parts = (
            f"{self.store}: {counted(self.rows, 'image')} in {counted(self.shards, 'shard')}, {self.size / 1e6:,.1f} MB"
        )
        if self.stored_type == "float32":
            return f"{parts}, float32: nothing is rounded"
        loss = f"largest error {self.largest_error:.2g}, usual error {self.mean_error:.2g} of the range of an image"
        return f"{parts}, {self.stored_type}: {loss}"


def prepare_store(request: PreparationRequest, console: Console) -> PreparationResult:
    """Write this task's share of a store, and the index when all shards are there.

    Raises:
        ConfigError: the configuration is wrong, or the store was begun with another one.
        DataError: every image that cannot be used.
        ResourceError: the store cannot be written.
    """
    loaded = _configuration(request)
    location, stored_type = _place(request, loaded), request.stored_type or loaded.config.data_store.dtype
    _check_task(request.task)
    manifest = rows_of_store(request.csv) if is_store(request.csv) else read_manifest(request.csv)
    bar = progress_bar(console)
    cache = Path(loaded.config.cache_dir) if loaded.config.cache_dir else default_cache()
    scans = shared_scans(manifest, location, request.task, cache, bar)
    facts = fingerprint([manifest], scans)
    check_depths([manifest], scans)
    planned = plan_survey(Survey(loaded, ImageSurvey({"train": manifest}, scans, facts), cache))
    written = loaded.config.data_preprocessing.model_dump(mode="json")
    plan = agreed_plan(location, plan_store(planned, stored_type, request.phase, written, request.shard_bytes))
    return _Job(location, plan, planned).run(request.task, bar)


def _configuration(request: PreparationRequest) -> LoadedConfig:
    loaded = read_configuration(TrainingRequest(request.config, request.csv, Path()))
    if request.like is None:
        return loaded
    about = read_description(store_location(request.like))
    return as_prepared(loaded, about, str(request.like))


def _place(request: PreparationRequest, loaded: LoadedConfig) -> Location:
    place = request.output or loaded.config.data_store.location
    if place is None:
        fix = "give a folder or a URL, or write data_store.location into the YAML"
        raise ConfigError(Problem(option("output"), "is missing: nothing says where the store goes", fix=fix))
    location = store_location(place)
    location.check_writable()
    return location


def _check_task(task: tuple[int, int]) -> None:
    number, count = task
    if not 1 <= number <= count:
        fix = f"with Slurm: #SBATCH --array=1-{max(count, 1)}"
        raise ConfigError(Problem("--shard", f"is {number}/{count}", f"1/{count} to {count}/{count}", fix))


@dataclass(frozen=True)
class _Job:
    location: Location
    plan: StorePlan
    planned: PlannedRun

    @property
    def manifest(self) -> Manifest:
        return self.planned.splits["train"]

    def run(self, task: tuple[int, int], bar: Progress) -> PreparationResult:
        """Write the shards of a task that are not there, and the index once all are."""
        rows = np.random.default_rng(self.plan.seed).permutation(len(self.manifest.samples))
        every = self.plan.rows_per_shard
        shards = [np.sort(rows[start : start + every]).tolist() for start in range(0, len(rows), every)]
        number, count = task
        own = range(number - 1, len(shards), count)
        there = self._there()
        missing = [shard for shard in own if not self._is_done(shard, shards[shard], there)]
        for shard in bar(missing, len(missing), "Writing shards"):
            self._write(shard, [self.manifest.samples[place] for place in shards[shard]])
        there = self._there()
        left = sum(shard not in there for shard in range(len(shards)))
        result = PreparationResult(str(self.location), len(rows), len(shards), left, self.plan.stored_type)
        return result if left else self._finish(len(shards))

    def _there(self) -> set[int]:
        """Return the numbers of the shards that are there with their part of the index."""
        names = self.location.names(SHARDS)
        return {int(name[:-5]) for name in names if name.endswith(".part") and f"{name[:-5]}.bin" in names}

    def _is_done(self, shard: int, places: Sequence[int], there: set[int]) -> bool:
        """Say whether a shard holds the images as they are now."""
        if shard not in there:
            return False
        part = self._part(shard)
        keys = [sample_key(self.manifest.samples[place], self.planned.scans).encode() for place in places]
        path = None if self.location.folder is None else self.location.folder / SHARDS / f"{shard_name(shard)}.bin"
        return part.rows["key"].tolist() == keys and (path is None or path.stat().st_size == part.size)

    def _part(self, shard: int) -> IndexPart:
        name = f"{SHARDS}/{shard_name(shard)}.part"
        return IndexPart.from_bytes(self.location.read(name), self.location.at(name))

    def _write(self, shard: int, samples: Sequence[Sample]) -> None:
        about = self.plan.preparation
        make = SampleMaker(self.manifest, pipeline_of(about), self.planned.scans).make_sample
        keys = [sample_key(sample, self.planned.scans) for sample in samples]
        writer_of = partial(
            ShardWriter, stored_type=self.plan.stored_type, keeps_mask=about.keeps_mask, keeps_region=about.keeps_region
        )
        write_shard(self.location, shard, writer_of, made_images(samples, keys, make))

    def _finish(self, count: int) -> PreparationResult:
        facts, manifest, about = self.planned.facts, self.manifest, self.plan.preparation
        description = StoreDescription(
            kind="prepared", stored_type=self.plan.stored_type, number_type=facts.dtype,
            spatial_dims=facts.spatial_dims,
            num_channels=sum(about.column_channels) + sum(about.source_channels), count=0, preparation=about,
            facts=facts_to_json(facts), labels=manifest.labels, extra_columns=list(manifest.extra_columns),
            subject_rule=manifest.subject_rule, names_identify=manifest.names_identify, notes=list(manifest.notes),
        )  # fmt: skip
        parts = [self._part(shard) for shard in range(count)]
        whole = write_index(self.location, description, parts, len(manifest.samples))
        self.location.remove(_SCANS)
        return PreparationResult(
            str(self.location), whole.count, count, 0, whole.stored_type, sum(file.size for file in whole.shards),
            whole.largest_error, whole.mean_error,
        )  # fmt: skip


def shared_scans(manifest: Manifest, location: Location, task: tuple[int, int], cache: Path, bar: Progress) -> Scans:
    """Return the scan of every file; several tasks share the work and leave each other what they found in the store.

    A task begins with its own share and goes on with what no other has done, so that none waits and none is needed.
    """
    number, count = task
    every = [path for sample in manifest.samples for path in sample.files]
    if count == 1 or location.has(DESCRIPTION):
        return scan_files(every, cache, bar)
    starts = range(0, len(manifest.samples), _UNIT)
    units = [
        list(dict.fromkeys(path for sample in manifest.samples[start : start + _UNIT] for path in sample.files))
        for start in starts
    ]
    ours = list(range(number - 1, len(units), count))
    order = [*ours, *(unit for unit in _after(len(units), number - 1) if unit not in set(ours))]
    prefix = data_of(manifest)
    scans: dict[Path, FileScan] = {}
    for unit in bar(order, len(order), "Checking images"):
        scans |= _unit_scans(units[unit], f"{_SCANS}/{prefix}-{unit:06d}.json", location, cache)
    return scans


def _after(count: int, start: int) -> Iterator[int]:
    return ((start + step) % count for step in range(count))


def _unit_scans(paths: Sequence[Path], name: str, location: Location, cache: Path) -> Scans:
    if location.has(name):
        texts = json.loads(location.read(name))
        shared: dict[object, Any] = {}
        known = dict(zip(paths, (scan_from_text(text, shared) for text in texts), strict=True))
        return {
            path: scan if scan is not None and _is_unchanged(path, scan) else scan_files([path], cache)[path]
            for path, scan in known.items()
        }
    scans = scan_files(paths, cache)
    location.write(name, json.dumps([scan_to_text(scans[path]) for path in paths]).encode())
    return scans


def _is_unchanged(path: Path, scan: FileScan) -> bool:
    try:
        return bool(scan.identity) and identity(path) == scan.identity
    except OSError:
        return False
