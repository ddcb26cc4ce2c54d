"""Finds the samples in tar shards of WebDataset: files of one key are one sample, ``case_17.png`` with ``case_17.cls``.

https://github.com/webdataset/webdataset#the-webdataset-format: a key is the name up to its first dot.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gandlf_synth.config import LabelingParadigm
from gandlf_synth.data.formats.readers import MARK, UnreadableError
from gandlf_synth.data.formats.readers.tar_shard import SUFFIX, Member, members, read_member
from gandlf_synth.data.table.csv_rows import canonical_column, columns_of
from gandlf_synth.data.table.folder_samples import Endings, SampleRow, match_channel
from gandlf_synth.data.table.known_layouts import suffix_of
from gandlf_synth.errors import DataError, Problem, counted, listing, option, raise_if_any

_CLASS, _FACTS = ".cls", ".json"
_SHOWN = 5
_CLASS_KEYS = ("cls", "class", "classname")


@dataclass(frozen=True)
class ShardSamples:
    """What shards hold.

    Args:
        columns: the columns that name files, in the order of each row's files.
        rows: the samples, in the order of their names.
        further: the columns of each row's ``extra``, from its JSON.
        numbers: the number of each class, where the shards number them.
        notes: how this was seen, and what a person should check.
    """

    columns: tuple[str, ...]
    rows: tuple[SampleRow, ...]
    further: tuple[str, ...]
    numbers: Mapping[str, int]
    notes: tuple[str, ...]


@dataclass
class _Sample:
    """Files of one key: the columns' by number, and what else is said of it."""

    shard: str
    key: str
    files: dict[int, str]
    facts: dict[str, str]


def are_shards(files: Sequence[str]) -> bool:
    """Say whether there are tar archives, and nothing else that could be an image."""
    suffixes = {suffix_of(file) for file in files} - {""}
    return suffixes == {SUFFIX}


def shard_samples(
    root: Path, shards: Sequence[str], endings: Endings | None, paradigm: LabelingParadigm
) -> ShardSamples:
    """Return the samples of shards; each is read once, but for its images.

    The class of a sample is its ``.cls``, or ``Label`` and ``LabelMapping`` of its ``.json``, whose other entries of
    text and numbers become columns; ``SubjectID`` there says what belongs together.

    Args:
        root: the folder to which ``shards`` are relative.
        shards: the archives.
        endings: of the files of each column; None: the one ending that all images have.
        paradigm: whether classes are wanted.

    Raises:
        DataError: shards that are damaged, samples that are not whole, several kinds of images without ``endings``.
    """
    found: list[_Sample] = []
    problems: list[Problem] = []
    listed: dict[str, Mapping[str, Member]] = {}
    for shard in shards:
        try:
            listed[shard] = members(root / shard)
        except UnreadableError as error:
            problems.append(error.at(str(root / shard)))
    raise_if_any(problems, DataError)
    columns = endings or Endings((_only_kind(root, listed),))
    for shard, names in listed.items():
        found += _samples_of(root, shard, names, columns, problems)
    if not found and not problems:
        words = listing(map(repr, columns.by_column.values()))
        problems.append(
            Problem(str(root), f"no file of the shards ends with {words}: {listing(_kinds(listed), _SHOWN)}")
        )
    problems += _incomplete(root, found, columns)
    if paradigm == "custom":
        without = [sample.key for sample in found if not _class_of(sample)]
        if without:
            what = f"{counted(len(without), 'sample')} of the shards have no class: {listing(without, _SHOWN)}"
            problems.append(Problem(str(root), what, f"a {_CLASS} file for each, or Label in its {_FACTS}"))
    numbers, contradictions = _numbers(root, found) if paradigm == "custom" else ({}, [])
    raise_if_any(_first([*problems, *contradictions]), DataError)
    return _table(found, columns, numbers, len(shards))


def has_classes(shard: Path) -> bool:
    """Say whether the samples of a shard come with classes.

    Raises:
        DataError: it is damaged.
    """
    try:
        return any(name.endswith(_CLASS) for name in members(shard))
    except UnreadableError as error:
        raise DataError(error.at(str(shard))) from error


def _first(problems: Sequence[Problem]) -> list[Problem]:
    more = len(problems) - 20
    return [*problems[:20], *([Problem("", f"… and {more} more like these")] if more > 0 else [])]


def _extension(name: str) -> str:
    """Return what WebDataset calls the extension of a file: its name from the first dot on."""
    return "".join(name.rpartition("/")[2].partition(".")[1:])


def _kinds(listed: Mapping[str, Mapping[str, Member]]) -> dict[str, int]:
    return dict(Counter(_extension(name) for names in listed.values() for name in names).most_common())


def _only_kind(root: Path, listed: Mapping[str, Mapping[str, Member]]) -> str:
    kinds = {kind: count for kind, count in _kinds(listed).items() if suffix_of(kind) not in ("", SUFFIX)}
    if len(kinds) != 1:
        told = listing((f"{kind} ({count})" for kind, count in kinds.items()), _SHOWN) or "none"
        fix = f"name the endings of the images with {option('channel_endings')}, of masks with {option('mask_id')}"
        raise DataError(Problem(str(root), f"the shards hold {len(kinds)} kinds of images: {told}", "one", fix))
    return next(iter(kinds))


def _samples_of(
    root: Path, shard: str, names: Mapping[str, Member], columns: Endings, problems: list[Problem]
) -> Iterator[_Sample]:
    words = list(columns.by_column.values())
    exact = {word: any(_extension(name) == word for name in names) for word in words}
    samples: dict[str, _Sample] = {}

    def sample(place: str, stem: str) -> _Sample:
        key = f"{place}/{stem}" if place else stem
        return samples.setdefault(key, _Sample(shard, key, {}, {}))

    for name, member in names.items():
        if name.endswith((_CLASS, _FACTS)):
            own = match_channel(name, [_CLASS, _FACTS])
            if own is not None:
                where = f"{root / shard}{MARK}{name}"
                _add_facts(
                    sample(own.place, own.stem), name, where, partial(read_member, root / shard, member), problems
                )
            continue
        fitting = [word for word in words if not exact[word] or _extension(name) == word]
        match = match_channel(name, fitting) if fitting else None
        if match is not None:
            column = words.index(fitting[match.channel])
            own_files = sample(match.place, match.stem).files
            if column in own_files:
                what = f"holds two files of {words[column]!r} for one sample: {own_files[column]}, {name}"
                problems.append(Problem(str(root / shard), what, "one", "write longer endings"))
            own_files[column] = name
    yield from (found for _, found in sorted(samples.items()) if found.files)


def _add_facts(sample: _Sample, name: str, where: str, content: Callable[[], bytes], problems: list[Problem]) -> None:
    try:
        text = content().decode("utf-8-sig").strip()
        facts: Any = {"Label": text} if name.endswith(_CLASS) else json.loads(text)
    except ValueError as error:
        problems.append(Problem(where, f"is no {'text' if name.endswith(_CLASS) else 'JSON'} in UTF-8 ({error})"))
        return
    if not isinstance(facts, dict):
        return
    for key, value in facts.items():
        if isinstance(value, str | int | float):
            column = "Label" if _plain(key) in _CLASS_KEYS else canonical_column(key) or key.strip()
            text = " ".join(str(int(value) if isinstance(value, bool) else value).split())
            if column == "Label" and not text.isdecimal():
                column = "LabelMapping"
            other = sample.facts.setdefault(column, text)
            if column in ("Label", "LabelMapping") and other != text:
                problems.append(Problem(where, f"gives the class {text!r}, and another file of the sample {other!r}"))


def _plain(key: str) -> str:
    return "".join(letter for letter in key.lower() if letter.isalnum())


def _class_of(sample: _Sample) -> str:
    return sample.facts.get("LabelMapping") or sample.facts.get("Label", "")


def _incomplete(root: Path, found: Sequence[_Sample], columns: Endings) -> list[Problem]:
    """Return the samples that lack a channel."""
    needed = range(len(columns.channels))
    words = list(columns.by_column.values())
    return [
        Problem(
            f"{root / sample.shard}{MARK}{sample.key}",
            f"has no file for {listing(repr(words[column]) for column in needed if column not in sample.files)}",
            f"one for each of {listing(map(repr, columns.channels))}",
        )
        for sample in found
        if any(column not in sample.files for column in needed)
    ]


def _table(found: Sequence[_Sample], columns: Endings, numbers: Mapping[str, int], shards: int) -> ShardSamples:
    names = list(columns.by_column)
    keys = Counter(sample.key for sample in found)
    subjects = [sample.facts.get("SubjectID") or _unique_key(sample, keys) for sample in found]
    further, notes = _further_columns(found)
    notes.insert(
        0, f"{counted(shards, 'tar shard')}: files of one key are one sample, {listing(columns.by_column.values())}"
    )
    if not all("SubjectID" in sample.facts for sample in found):
        notes.append(
            f"each sample counts as a subject of its own; SubjectID in its {_FACTS} says which belong together"
        )
    rows = tuple(
        SampleRow(
            _class_of(sample),
            subject,
            tuple(
                f"{sample.shard}{MARK}{sample.files[place]}" if place in sample.files else ""
                for place in range(len(names))
            ),
            tuple(sample.facts.get(column, "") for column in further),
        )
        for sample, subject in zip(found, subjects, strict=True)
    )
    return ShardSamples(tuple(names), rows, further, numbers, tuple(notes))


def _unique_key(sample: _Sample, keys: Mapping[str, int]) -> str:
    return sample.key if keys[sample.key] == 1 else f"{sample.shard.removesuffix(SUFFIX)}/{sample.key}"


def _further_columns(found: Sequence[_Sample]) -> tuple[tuple[str, ...], list[str]]:
    """Return the columns that the vocabulary does not have, and a note on those that a CSV cannot have."""
    keys = dict.fromkeys(key for sample in found for key in sample.facts if key and canonical_column(key) is None)
    unclear = [key for key in keys if columns_of(Path(), ["Channel_0", key])[1]]
    notes = [f"left out of the CSV: {listing(unclear)}, too like a column that means something"] if unclear else []
    return tuple(key for key in keys if key not in unclear), notes


def _numbers(root: Path, found: Sequence[_Sample]) -> tuple[dict[str, int], list[Problem]]:
    """Return the number of each class where the samples state one, and a problem where they contradict each other."""
    pairs = {(_class_of(sample), sample.facts.get("Label", "")) for sample in found}
    if all(number == "" for _, number in pairs):
        return {}, []
    if len(pairs) == len({name for name, _ in pairs}) == len({number for _, number in pairs}) and ("", "") not in pairs:
        return {name: int(number) for name, number in pairs}, []
    told = listing((f"{name!r} is {number or 'without a number'}" for name, number in sorted(pairs)), _SHOWN)
    return {}, [
        Problem(str(root), f"the shards number their classes in several ways: {told}", "one number for each class")
    ]
