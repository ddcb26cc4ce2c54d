"""Groups the files of a folder to samples: subjects and classes follow from where the files lie."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gandlf_synth.data.table.dicom_folders import is_dicom_suffix
from gandlf_synth.errors import Problem, listing

_SHOWN = 10
_SEPARATORS = "._- "
EXTENSION = re.compile(r"(\.nii|\.ome)?\.\w+$", re.IGNORECASE)
"""The ending of a file name that says its format."""


@dataclass(frozen=True)
class ChannelFile:
    """A file of one channel; ``path`` is relative to the input folder, ``place`` and ``stem`` precede the ending."""

    path: str
    channel: int
    place: str
    stem: str


@dataclass(frozen=True)
class Endings:
    """What the file names of each column end with.

    Args:
        channels: of what is generated.
        sources: of what it is made from; a sample may lack some.
        mask: of the labels of voxels, which a sample may lack; empty: none.
        region: of what is to be made anew, which a sample may lack; empty: none.
    """

    channels: tuple[str, ...]
    sources: tuple[str, ...] = ()
    mask: str = ""
    region: str = ""

    @property
    def by_column(self) -> dict[str, str]:
        """The ending of each column, in the order of the columns.

        Example:
            >>> Endings(("_t2.nii.gz",), ("_t1.nii.gz",), mask="_seg.nii.gz").by_column
            {'Channel_0': '_t2.nii.gz', 'Source_0': '_t1.nii.gz', 'Mask': '_seg.nii.gz'}
        """
        columns = {f"Channel_{number}": ending for number, ending in enumerate(self.channels)}
        columns |= {f"Source_{number}": ending for number, ending in enumerate(self.sources)}
        return columns | {name: ending for name, ending in (("Mask", self.mask), ("Region", self.region)) if ending}


@dataclass(frozen=True)
class SampleRow:
    """A sample: a file for each column, relative to the input folder; empty where the sample lacks it.

    ``extra`` holds the text of further columns.
    """

    class_name: str
    subject: str
    files: tuple[str, ...]
    extra: tuple[str, ...] = ()


def match_channel(path: str, endings: Sequence[str]) -> ChannelFile | None:
    """Return the file as one of the channel with the longest fitting ending, None when none fits."""
    fitting = [ending for ending in endings if path.endswith(ending) and not is_inside_word(path, ending)]
    if not fitting and path.endswith("/"):
        fitting = [ending for ending in endings if is_dicom_suffix(ending)]
    if not fitting:
        return None
    ending = max(fitting, key=len)
    place, _, stem = f"/{path.removesuffix(ending)}".rpartition("/")
    return ChannelFile(path, list(endings).index(ending), place.strip("/"), stem.rstrip(_SEPARATORS))


def is_inside_word(path: str, ending: str) -> bool:
    """Say whether ``ending`` begins in the middle of a word, as ``t1.png`` does in ``post_at1.png``."""
    return ending[0].isalnum() and path.removesuffix(ending)[-1:].isalnum()


class FolderLayout:
    """Reads subjects and classes from where files lie; collects what does not fit."""

    def __init__(self, root: Path, endings: Endings, by_class: bool, files: list[str], folders: list[str]) -> None:
        self.root, self.by_class, self.files, self.folders = root, by_class, files, folders
        self.endings, self.num_channels = list(endings.by_column.values()), len(endings.channels)
        self.num_images = self.num_channels + len(endings.sources)
        self.levels = 1 if by_class else 0
        self.problems: list[Problem] = []
        self.warnings: list[str] = []

    def rows(self, matches: Sequence[ChannelFile]) -> list[SampleRow]:
        """Return one row per sample, sorted."""
        units: dict[tuple[str, str], list[ChannelFile]] = defaultdict(list)
        for match in matches:
            parts = match.path.split("/")
            class_name = parts[0] if self.by_class and len(parts) > 1 else ""
            units[class_name, parts[self.levels] if len(parts) > self.levels + 1 else ""].append(match)
        self._check_places(matches)
        rows = []
        for (class_name, patient), unit in units.items():
            for group in self._groups(unit, flat=not patient):
                subject = patient or group[0].stem or class_name or self.root.resolve().name
                paths = {match.channel: match.path for match in group}
                cells = tuple(paths.get(channel, "") for channel in range(len(self.endings)))
                rows.append(SampleRow(class_name, subject, cells))
        self._note_unpaired(rows)
        return sorted(self._told_apart(rows), key=lambda row: (row.class_name, row.subject, row.files))

    def _groups(self, matches: list[ChannelFile], flat: bool) -> Iterator[list[ChannelFile]]:
        """Yield the files of each sample: those of the patient, of one of its folders, or with one stem."""
        if len(self.endings) == 1:
            yield from ([match] for match in matches)
        elif not flat and self._complete(matches):
            yield matches
        else:
            places = _grouped(matches, lambda match: match.place)
            for place in places:
                if not flat and self._complete(place):
                    yield place
                    continue
                for group in _grouped(place, lambda match: match.stem):
                    if self._complete(group):
                        yield group
                    else:
                        self.problems.append(self._incomplete(group))

    def _complete(self, matches: Sequence[ChannelFile]) -> bool:
        """Say whether the files are one sample: all channels, or none of them beside a source, and the rest once."""
        found = sorted(match.channel for match in matches)
        channels = [channel for channel in found if channel < self.num_channels]
        has_images = channels == list(range(self.num_channels)) or (not channels and found[0] < self.num_images)
        return has_images and len(set(found)) == len(found)

    def _note_unpaired(self, rows: Sequence[SampleRow]) -> None:
        channels, sources = slice(self.num_channels), slice(self.num_channels, self.num_images)
        without = {
            "sources and no image to learn from them": [row.subject for row in rows if not any(row.files[channels])],
            "no source": [
                row.subject for row in rows if self.num_images > self.num_channels and not any(row.files[sources])
            ],
        }
        for what, subjects in without.items():
            if subjects:
                self.warnings.append(f"{len(subjects)} samples have {what}: {listing(subjects, _SHOWN)}")

    def _incomplete(self, group: Sequence[ChannelFile]) -> Problem:
        by_ending = {
            ending: [match.path for match in group if match.channel == channel]
            for channel, ending in enumerate(self.endings)
        }
        missing = listing(repr(ending) for ending, paths in by_ending.items() if not paths)
        several = [f"{len(paths)} for {ending!r}" for ending, paths in by_ending.items() if len(paths) > 1]
        what = listing([*([f"none for {missing}"] if missing else []), *several])
        place, stem = group[0].place, group[0].stem
        beside = [Path(file).name for file in self.files if file.rpartition("/")[0] == group[0].path.rpartition("/")[0]]
        names = listing((name for name in beside if name.startswith(stem)), _SHOWN)
        expected = f"one file for each of {listing(map(repr, self.endings))}"
        return Problem(str(self.root / place), f"expected {expected}; has {what}; found {names}")

    def _check_places(self, matches: Sequence[ChannelFile]) -> None:
        """Note the files and folders that the layout has no place for."""
        outside = [match.path for match in matches if self.by_class and "/" not in match.path]
        if outside:
            allowed = "<class>/<patient>/<files> or <class>/<files> for custom"
            what = f"{len(outside)} files lie in no class folder: {listing(outside, _SHOWN)}"
            self.problems.append(Problem(str(self.root), what, allowed))
        flat = [match.path for match in matches if match.path.count("/") == self.levels]
        if flat:
            what = f"{len(flat)} files lie in no patient folder: each name before the ending counts as a subject"
            self.warnings.append(f"{what}; if some belong to one patient, give them one SubjectID")
        deep = max(match.path.count("/") for match in matches) - self.levels
        if deep > 1:
            kind = "in each class folder" if self.by_class else f"in {self.root}"
            count = len({tuple(match.path.split("/")[: self.levels + 1]) for match in matches})
            what = f"files lie {deep} folders deep: the first folder {kind} counts as the subject ({count} subjects)"
            self.warnings.append(what)
        self._check_unused(matches)

    def _check_unused(self, matches: Sequence[ChannelFile]) -> None:
        """Folders without a match are left out, unless their files look as if an ending should have matched."""
        used = {"/".join(match.path.split("/")[:depth]) for match in matches for depth in range(1, self.levels + 2)}
        unused = [folder for folder in self.folders if folder.count("/") <= self.levels and folder not in {*used, "."}]
        left_out = []
        extensions = tuple({hit[0].lower() for ending in self.endings if (hit := EXTENSION.search(ending))})
        for folder in unused:
            if folder.rpartition("/")[0] in unused:
                continue
            names = [file.removeprefix(f"{folder}/") for file in self.files if file.startswith(f"{folder}/")]
            if any(name.lower().endswith(extensions) for name in names):
                expected = f"expected files that end with {listing(map(repr, self.endings))}"
                what = f"{expected}; has none; found {listing(names, _SHOWN)}"
                self.problems.append(Problem(str(self.root / folder), what))
            else:
                left_out.append(folder)
        if left_out:
            self.warnings.append(
                f"{len(left_out)} folders hold no matching file and are left out: {listing(left_out, _SHOWN)}"
            )

    def _told_apart(self, rows: Sequence[SampleRow]) -> list[SampleRow]:
        """Return the rows, with the class in front of every subject name when some name occurs in several classes."""
        classes = defaultdict(set)
        for row in rows:
            classes[row.subject].add(row.class_name)
        shared = sorted(subject for subject, names in classes.items() if len(names) > 1)
        if not shared:
            return list(rows)
        what = f"{len(shared)} subject names occur in several classes and count as different subjects"
        fix = "if they are the same people, give them one SubjectID"
        self.warnings.append(f"{what}: {listing(shared, _SHOWN)}; {fix}")
        return [replace(row, subject=f"{row.class_name}/{row.subject}") for row in rows]


def _grouped(matches: Iterable[ChannelFile], key: Callable[[ChannelFile], str]) -> list[list[ChannelFile]]:
    groups: dict[str, list[ChannelFile]] = defaultdict(list)
    for match in matches:
        groups[key(match)].append(match)
    return list(groups.values())
