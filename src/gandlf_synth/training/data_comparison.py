"""Whether the images of a run that goes on are those that it began with, and how they differ."""

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gandlf_synth.config import Phase
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import Problem, counted, listing, option
from gandlf_synth.training.data_record import DataRecord, ImageRecord

_SHOWN = 5
_NAMES: Mapping[str, str] = {"train": "training", "val": "validation", "test": "test"}
_SWAPPED = "the channel columns in another order"
_LEARNED = "an image that the run was trained on"


def as_recorded(
    splits: Mapping[Phase, Manifest], now: DataRecord, earlier: DataRecord, drawn: Sequence[Phase]
) -> dict[Phase, Manifest]:
    """Return ``splits`` with every image in the split and at the place that it had; new ones follow.

    Args:
        splits: the rows of each phase.
        now: their record.
        earlier: that of the run.
        drawn: the phases that share one CSV, ``train`` first, in which an image may return to its own split; a new one
            goes where its subject is, or to training.
    """
    groups = [list(drawn), *([phase] for phase in splits if phase not in drawn)]
    arranged: dict[Phase, list[tuple[float, Sample]]] = {phase: [] for phase in splits}
    for phases in groups:
        places: dict[ImageRecord, deque[tuple[Phase, int]]] = defaultdict(deque)
        for phase in phases:
            for number, record in enumerate(earlier.get(phase, ())):
                places[record].append((phase, number))
        rows = [pair for phase in phases for pair in zip(splits[phase].samples, now[phase], strict=True)]
        known = {sample.row: places[record].popleft() for sample, record in rows if places.get(record)}
        homes = {sample.subject: known[sample.row][0] for sample, _ in rows if sample.row in known}
        for sample, _ in rows:
            home, place = known.get(sample.row, (homes.get(sample.subject, phases[0]), float("inf")))
            arranged[home].append((place, sample))
    return {phase: _in_order(splits[phase], placed) for phase, placed in arranged.items() if placed}


def _in_order(manifest: Manifest, placed: Iterable[tuple[float, Sample]]) -> Manifest:
    return manifest.subset(sample for _, sample in sorted(placed, key=lambda pair: (pair[0], pair[1].row)))


def data_differences(
    splits: Mapping[Phase, Manifest], now: DataRecord, earlier: DataRecord, *, new_data: bool
) -> list[Problem]:
    """Return how the images of a run that goes on differ from those that it began with.

    Args:
        splits: the rows of each phase.
        now: their record.
        earlier: that of the run.
        new_data: whether other images are meant; then only what would be wrong with any images.
    """
    unknown = _Unknown(earlier)
    strangers = [
        (phase, sample, record)
        for phase, manifest in splits.items()
        for sample, record in zip(manifest.samples, now[phase], strict=True)
        if not unknown.take(phase, record)
    ]
    rows: dict[tuple[Phase, str], list[int]] = defaultdict(list)
    for phase, sample, record in strangers:
        rows[phase, unknown.difference(phase, record)].append(sample.row)
    problems = [
        _problem(splits[phase], what, numbers)
        for (phase, what), numbers in rows.items()
        if not new_data or what == _SWAPPED or (what == _LEARNED and phase != "train")
    ]
    return problems if new_data else [*problems, *unknown.gone(splits)]


def _problem(manifest: Manifest, what: str, numbers: Sequence[int]) -> Problem:
    fix = f"resume with the data that the run began with, or use {option('new_data')} if other images are meant"
    if what == _SWAPPED:
        fix = "put the columns in the order in which the run began"
    elif what == _LEARNED:
        fix = "keep it in training: a score on images that were learned means nothing"
    have = "has" if len(numbers) == 1 else "have"
    rows = listing((str(number) for number in sorted(numbers)), _SHOWN)
    return Problem(str(manifest.path), f"{counted(len(numbers), 'row')} {have} {what}: {rows}", fix=fix)


@dataclass(eq=False)
class _Image:
    phase: Phase
    record: ImageRecord
    found: bool = False


class _Unknown:
    """The images of the run that were not met yet, found by all of what is known of them or by a part.

    Args:
        earlier: the record of the run.
    """

    def __init__(self, earlier: DataRecord) -> None:
        self._images = [_Image(phase, record) for phase, records in earlier.items() for record in records]
        self._by_place: dict[tuple[Phase, ImageRecord], deque[_Image]] = defaultdict(deque)
        for image in self._images:
            self._by_place[image.phase, image.record].append(image)
        self._parts: list[tuple[str, dict[Hashable, deque[_Image]], Callable[[ImageRecord], Hashable]]] = []

    def take(self, phase: Phase, record: ImageRecord) -> bool:
        """Say whether the run has this image in this split, once for each time that it has it."""
        images = self._by_place.get((phase, record))
        if not images:
            return False
        images.popleft().found = True
        return True

    def difference(self, phase: Phase, record: ImageRecord) -> str:
        """Return what is different with an image that ``take`` did not find."""
        if not self._parts:
            left = [image for image in self._images if not image.found]
            keys: list[tuple[str, Callable[[ImageRecord], Hashable]]] = [
                ("elsewhere", lambda record: record),
                ("another label", lambda record: (record.files, record.condition)),
                ("other values in the columns that the model is conditioned on", lambda record: record.files),
                ("another affine, spacing or number type", lambda record: record.voxels),
                (_SWAPPED, lambda record: tuple(sorted(record.files))),
            ]
            self._parts = [(what, _by_part(left, key), key) for what, key in keys]
        for what, index, key in self._parts:
            images = index.get(key(record), ())
            image = next((image for image in images if not image.found), None)
            if image is not None:
                image.found = True
                return what if what != "elsewhere" else _moved(image.phase)
        return "an image that the run does not know"

    def gone(self, splits: Mapping[Phase, Manifest]) -> Iterator[Problem]:
        """Yield how many images of each split are not there."""
        for phase in dict.fromkeys(image.phase for image in self._images):
            missing = sum(not image.found and image.phase == phase for image in self._images)
            if missing:
                where = str(splits[phase].path) if phase in splits else f"the {_NAMES[phase]} split"
                what = f"lacks {counted(missing, f'{_NAMES[phase]} image')} of the run"
                yield Problem(where, what, fix=f"bring them back, or use {option('new_data')} if it is meant")


def _by_part(images: Iterable[_Image], key: Callable[[ImageRecord], Hashable]) -> dict[Hashable, deque[_Image]]:
    index: dict[Hashable, deque[_Image]] = defaultdict(deque)
    for image in images:
        index[key(image.record)].append(image)
    return index


def _moved(phase: Phase) -> str:
    return _LEARNED if phase == "train" else f"an image that the run had for {_NAMES[phase]}"
