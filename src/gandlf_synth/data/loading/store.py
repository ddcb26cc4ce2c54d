"""The outcome of deterministic preprocessing, computed once and kept: the second epoch reads no source image.

An entry of the cache stands for the voxels and the grid that were read, the steps with their parameters, and the code
of all of them. Its voxels lie in one file with those that were prepared in the same session; training reads them there.
"""

import json
import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from gandlf_synth.data.formats.cache_folder import cache_folders, writable_cache
from gandlf_synth.data.formats.fact_store import FactStore
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.readers import UnreadableError
from gandlf_synth.data.formats.scan import Scans, identity, scan_files
from gandlf_synth.data.loading.blocks import Block
from gandlf_synth.data.loading.cache import lease
from gandlf_synth.data.loading.prepared import PreparedRecord, PreparedRows, PreparedSamples, PreparedWriter
from gandlf_synth.data.processing.base import TransformError
from gandlf_synth.data.processing.pipeline import Pipeline
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import DataError, Problem, raise_if_any
from gandlf_synth.launcher import usable_cores
from gandlf_synth.progress import Progress, no_progress
from gandlf_synth.provenance import digest

_VERSION = 4
_INDEX = "index.sqlite"
_PART = 256
"""Samples in flight at a time, so that a long CSV takes no more memory than a short one."""
_LOOKED_UP_AT_ONCE = 4096
_KEPT_EVERY = 1.0
"""Seconds after which an interruption loses nothing of what came before."""
_log = logging.getLogger(__name__)


def prepare(
    manifest: Manifest, pipeline: Pipeline, cache: Path, progress: Progress = no_progress, scans: Scans | None = None
) -> PreparedSamples:
    """Return every sample of ``manifest`` preprocessed, computing only those that the cache does not hold.

    Args:
        manifest: the samples.
        pipeline: what is done to them.
        cache: the folder of the cache.
        progress: shows how far it is.
        scans: of every file; where they are not known they are made.

    Raises:
        DataError: every sample that a step cannot be applied to, or whose files have changed since they were scanned.
        ResourceError: the disk is full.
    """
    if scans is None:
        scans = scan_files([path for sample in manifest.samples for path in sample.files], cache)
    name = f"prepared-v{_VERSION}-{digest(pipeline.key())}"
    keys = [sample_key(sample, scans) for sample in manifest.samples]
    rows = PreparedRows(keys)
    for folder in cache_folders(cache):
        _look_up(rows, rows.missing(), keys, folder / name)
    source = SampleMaker(manifest, pipeline, scans)
    target = writable_cache(cache) / name
    lease(target)
    if rows.missing():
        with _alone(target, digest(keys)):
            _look_up(rows, rows.missing(), keys, target)
            _prepare(rows, rows.missing(), keys, source, target, progress)
    return rows.samples(SampleMaker(manifest, pipeline, {}), target)


@dataclass(frozen=True)
class SampleMaker:
    """Makes samples from their files.

    Args:
        manifest: the rows.
        pipeline: what is done to them.
        scans: of every file, so that one that changed since is noticed; those that are not in it are believed.
    """

    manifest: Manifest
    pipeline: Pipeline
    scans: Scans

    def __call__(self, place: int) -> Image:
        """Return a sample, made again.

        Raises:
            DataError: it cannot be made any more.
        """
        outcome = self.make(place)
        if isinstance(outcome, Problem):
            raise DataError(outcome)
        return outcome

    def make(self, place: int) -> Image | Problem:
        """Return the sample at ``place``, or why it cannot be made."""
        return self.make_sample(self.manifest.samples[place])

    def make_sample(self, sample: Sample) -> Image | Problem:
        """Return the image of a row, or why it cannot be made."""
        where = self.manifest.where(sample, 0)
        for column, path in enumerate(sample.files):
            if (scan := self.scans.get(path)) and (problem := scan.problem_at(self.manifest.where(sample, column))):
                return problem
        try:
            image = self.pipeline(sample)
            changed = [path for path in sample.files if self._has_changed(path)]
        except UnreadableError as error:
            return Problem(where, f"cannot be preprocessed: {error}")
        except TransformError as error:
            names = list(sample.named_files)
            column = names.index(error.column) if error.column in names else 0
            return Problem(self.manifest.where(sample, column), f"cannot be preprocessed: {error}")
        except OSError as error:
            return Problem(where, f"cannot be read: {error.strerror or error}")
        if changed:
            return Problem(where, f"{changed[0]} has changed since it was checked", fix="start again")
        return image

    def _has_changed(self, path: Path) -> bool:
        scan = self.scans.get(path)
        return scan is not None and bool(scan.identity) and identity(path) != scan.identity


def sample_key(sample: Sample, scans: Scans) -> str:
    """Return what a prepared sample is known by; one whose files could not be pinned down is never known again."""
    found = [scans[path] for path in sample.files]
    if not all(scan.identity for scan in found):
        return uuid4().hex[:16]
    keys = [scan.image_key for scan in found]
    if sample.sources or sample.region:
        return digest([list(sample.named_files), keys])
    return keys[0] if len(keys) == 1 else digest(keys)


def _look_up(rows: PreparedRows, places: Sequence[int], keys: Sequence[str], folder: Path) -> None:
    index = FactStore(folder / _INDEX)
    for start in range(0, len(places), _LOOKED_UP_AT_ONCE):
        part = places[start : start + _LOOKED_UP_AT_ONCE]
        known = index.read({keys[place] for place in part})
        rows.add(folder, ((place, _from_text(known[keys[place]])) for place in part if keys[place] in known))


def _from_text(text: str) -> PreparedRecord:
    file, voxels, mask, region, *others = json.loads(text)
    return PreparedRecord(file, Block(*voxels), Block(*mask), Block(*region), *others)


def _prepare(
    rows: PreparedRows,
    places: Sequence[int],
    keys: Sequence[str],
    source: SampleMaker,
    folder: Path,
    progress: Progress,
) -> None:
    """Compute what is missing, and keep it every second."""
    if not places:
        return
    index, problems = FactStore(folder / _INDEX), list[Problem]()
    unkept: dict[str, str] = {}
    last = time.monotonic()
    kept = {"masks": source.pipeline.keeps_mask, "regions": source.pipeline.keeps_region}
    with PreparedWriter(folder, **kept) as writer, ThreadPoolExecutor(usable_cores()) as pool:

        def record(place: int) -> PreparedRecord | Problem:
            image = source.make(place)
            if isinstance(image, Problem):
                return image
            return writer.append(image)

        parts = (places[start : start + _PART] for start in range(0, len(places), _PART))
        outcomes: Iterator[PreparedRecord | Problem] = chain.from_iterable(pool.map(record, part) for part in parts)
        found: list[tuple[int, PreparedRecord]] = []
        try:
            for place, outcome in progress(zip(places, outcomes, strict=True), len(places), "Preparing images"):
                if isinstance(outcome, Problem):
                    problems.append(outcome)
                    continue
                found.append((place, outcome))
                unkept[keys[place]] = json.dumps(outcome)
                if time.monotonic() - last > _KEPT_EVERY:
                    writer.flush()
                    index.keep(unkept)
                    unkept, last = {}, time.monotonic()
        finally:
            writer.flush()
            index.keep(unkept)
    raise_if_any(problems, DataError)
    rows.add(folder, found)


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Let one process prepare a set of samples; the others wait, and then find them prepared."""
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _log.warning("another process is preparing the same images; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
