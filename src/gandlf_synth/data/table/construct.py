"""Makes the CSV of a folder of images, with subjects and classes taken from the names of its folders."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from gandlf_synth.config import LabelingParadigm
from gandlf_synth.data.formats.location import MARK
from gandlf_synth.data.formats.readers import UnreadableError
from gandlf_synth.data.table.construct_dicom import is_dicom_suffix, with_series
from gandlf_synth.data.table.patch_grid import PatchGrid
from gandlf_synth.data.table.tissue import tissue_patches
from gandlf_synth.errors import ConfigError, DataError, Problem, listing, raise_if_any
from gandlf_synth.files import csv_text, write_text

_SHOWN = 10
_SEPARATORS = "._- "
_LABEL_FROM = {"patient": "subject", "custom": "class_name"}
_EXTENSION = re.compile(r"(\.nii|\.ome)?\.\w+$", re.IGNORECASE)


@dataclass(frozen=True)
class ConstructReport:
    """What a new CSV holds.

    Args:
        rows: its samples.
        subjects: the different subjects among them.
        classes: the rows of every class, in the order of the labels; empty without labels.
        warnings: what a person should check.
    """

    rows: int
    subjects: int
    classes: dict[str, int]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    """A file of one channel; ``path`` is relative to the input folder, ``place`` and ``stem`` precede the ending."""

    path: str
    channel: int
    place: str
    stem: str


@dataclass(frozen=True)
class Row:
    """A sample: one file for each channel, relative to the input folder."""

    class_name: str
    subject: str
    files: tuple[str, ...]


def construct_csv(
    input_dir: Path,
    channel_endings: Sequence[str],
    paradigm: LabelingParadigm,
    output_file: Path,
    relative_paths: bool = False,
    overwrite: bool = False,
    patches: PatchGrid | None = None,
) -> ConstructReport:
    """Write the CSV of the images under a folder: SubjectID, Channel_0 …, and with labels Label, LabelMapping.

    The layout is ``<patient>/<files>``, for ``custom`` ``<class>/<patient>/<files>``. Deeper folders belong to their
    patient. Files that lie in no patient folder are grouped by what their names have before the ending. A folder of
    DICOM files that are one series counts as one file, of the ending ``.dcm`` and of its own name with a slash.

    Args:
        input_dir: the folder.
        channel_endings: what the file names of each channel end with, in the order of the columns. An ending that
            starts with a letter or digit must follow neither: ``t1.nii.gz`` is not the end of ``post_at1.nii.gz``.
            ``t1/`` stands for DICOM folders of that name, ``.dcm`` for all of them.
        paradigm: no labels, the patient as label, or the class folder as label; numbered in sorted order.
        output_file: the CSV.
        relative_paths: write paths relative to the CSV instead of absolute ones.
        overwrite: replace an existing CSV.
        patches: write a row for every patch on tissue of each whole-slide image instead of one for the slide.

    Raises:
        ConfigError: the endings are empty or repeat.
        DataError: every folder in which a channel is missing or ambiguous, every DICOM folder of several series;
            nothing matches; a slide cannot be read; the CSV exists.
        MissingExtraError: slides are to be cut and tiffslide is not installed.
    """
    _check_arguments(input_dir, channel_endings, output_file, overwrite, patches is not None)
    files, folders = _walk(input_dir)
    files, problems = with_series(input_dir, files, channel_endings)
    raise_if_any(problems, DataError)
    found = [match for match in (_match(file, channel_endings) for file in files) if match]
    raise_if_any(_unwritable_names(input_dir, found), DataError)
    raise_if_any(_unmatched_endings(input_dir, files, found, channel_endings), DataError)
    layout = _Layout(input_dir, channel_endings, paradigm == "custom", files, folders)
    rows = layout.rows(found)
    raise_if_any(layout.problems, DataError)
    if patches is not None:
        rows = _cut(input_dir, rows, patches)
    labels = [] if paradigm == "unlabeled" else [getattr(row, _LABEL_FROM[paradigm]) for row in rows]
    write_text(output_file, table(input_dir, rows, labels, output_file.parent if relative_paths else None))
    subjects = len({row.subject for row in rows})
    if paradigm == "patient" and subjects == len(rows):
        layout.warnings.append("every patient has one row, so validation or test data cannot be split off")
    return ConstructReport(len(rows), subjects, dict(sorted(Counter(labels).items())), tuple(layout.warnings))


def _check_arguments(input_dir: Path, endings: Sequence[str], output_file: Path, overwrite: bool, cut: bool) -> None:
    if not all(ending.strip() for ending in endings) or len(set(endings)) < len(endings) or not endings:
        what = f"{','.join(endings)!r} has an empty or repeated ending"
        raise ConfigError(Problem("-ch, --channels-id", what, "different file-name endings, one per channel"))
    if cut and len(endings) > 1:
        raise ConfigError(Problem("-ch, --channels-id", f"{','.join(endings)!r} are several", "one, for slides to cut"))
    if not input_dir.is_dir():
        raise DataError(Problem(str(input_dir), "is not a folder" if input_dir.exists() else "does not exist"))
    if output_file.is_dir() or (output_file.exists() and not overwrite):
        what = "is a folder" if output_file.is_dir() else "exists"
        raise DataError(Problem(str(output_file), what, fix="choose another name, or add --overwrite"))


def _walk(root: Path) -> tuple[list[str], list[str]]:
    """Return all visible files and folders under ``root``, relative; a folder that links lead to counts once."""
    files: list[str] = []
    folders: list[str] = []
    seen: set[str] = set()
    for folder, names, own in os.walk(root, followlinks=True, onerror=_unreadable):
        real = os.path.realpath(folder)
        place = PurePosixPath(Path(folder).relative_to(root).as_posix())
        names[:] = [] if real in seen else sorted(name for name in names if name[0] != ".")
        names.sort(key=lambda name: (root / place / name).is_symlink())
        if real not in seen:
            files += [str(place / name) for name in own if name[0] != "."]
            folders.append(str(place))
        seen.add(real)
    return sorted(files), sorted(folders)


def _unreadable(error: OSError) -> None:
    raise DataError(Problem(str(error.filename), f"cannot be read: {error.strerror}")) from error


def _match(path: str, endings: Sequence[str]) -> _Found | None:
    """Return the file as one of the channel with the longest fitting ending, None when none fits."""
    fitting = [ending for ending in endings if path.endswith(ending) and not _inside_word(path, ending)]
    if not fitting and path.endswith("/"):
        fitting = [ending for ending in endings if is_dicom_suffix(ending)]
    if not fitting:
        return None
    ending = max(fitting, key=len)
    place, _, stem = f"/{path.removesuffix(ending)}".rpartition("/")
    return _Found(path, list(endings).index(ending), place.strip("/"), stem.rstrip(_SEPARATORS))


def _inside_word(path: str, ending: str) -> bool:
    return ending[0].isalnum() and path.removesuffix(ending)[-1:].isalnum()


def _unwritable_names(root: Path, found: Sequence[_Found]) -> list[Problem]:
    bad = [match.path for match in found if match.path.encode(errors="ignore").decode() != match.path]
    return [Problem(str(root), f"the name {path!a} is not UTF-8 text", fix="rename it") for path in bad]


def _unmatched_endings(
    root: Path, files: Sequence[str], found: Sequence[_Found], endings: Sequence[str]
) -> list[Problem]:
    problems = []
    for channel, ending in enumerate(endings):
        if channel in {match.channel for match in found}:
            continue
        inside = next((file for file in files if file.endswith(ending) and _inside_word(file, ending)), "")
        fix = f"{inside} ends with it in the middle of a word: write the whole word" if inside else ""
        problems.append(
            Problem(str(root), f"no file ends with {ending!r}; endings seen: {_endings_seen(files)}", fix=fix)
        )
    return problems


def _endings_seen(files: Sequence[str]) -> str:
    """Return the common last words of the file names, such as ``_t1.nii.gz``, else their extensions, with counts."""
    names = [file.rpartition("/")[2] for file in files]
    kinds = Counter(found[0] if (found := _EXTENSION.search(name)) else name for name in names)
    words = Counter(re.split(r"(?=[_-][^_-]*$)", name)[-1] for name in names)
    seen = words if len(words) <= _SHOWN else kinds
    return (
        listing((f"{ending} ({count})" for ending, count in seen.most_common()), _SHOWN) or "none, there are no files"
    )


class _Layout:
    """Reads subjects and classes from where files lie; collects what does not fit."""

    def __init__(
        self, root: Path, endings: Sequence[str], by_class: bool, files: list[str], folders: list[str]
    ) -> None:
        self.root, self.endings, self.by_class, self.files, self.folders = root, endings, by_class, files, folders
        self.levels = 1 if by_class else 0
        self.problems: list[Problem] = []
        self.warnings: list[str] = []

    def rows(self, found: Sequence[_Found]) -> list[Row]:
        """Return one row per sample, sorted."""
        units: dict[tuple[str, str], list[_Found]] = defaultdict(list)
        for match in found:
            parts = match.path.split("/")
            class_name = parts[0] if self.by_class and len(parts) > 1 else ""
            units[class_name, parts[self.levels] if len(parts) > self.levels + 1 else ""].append(match)
        self._check_places(found)
        rows = []
        for (class_name, patient), own in units.items():
            for group in self._groups(own, flat=not patient):
                subject = patient or group[0].stem or class_name or self.root.resolve().name
                files = sorted(group, key=lambda match: match.channel)
                rows.append(Row(class_name, subject, tuple(match.path for match in files)))
        return sorted(self._told_apart(rows), key=lambda row: (row.class_name, row.subject, row.files))

    def _groups(self, found: list[_Found], flat: bool) -> Iterator[list[_Found]]:
        """Yield the files of each sample: those of the patient, of one of its folders, or with one stem."""
        if len(self.endings) == 1:
            yield from ([match] for match in found)
        elif not flat and self._complete(found):
            yield found
        else:
            places = _grouped(found, lambda match: match.place)
            for own in places:
                if not flat and self._complete(own):
                    yield own
                    continue
                for group in _grouped(own, lambda match: match.stem):
                    if self._complete(group):
                        yield group
                    else:
                        self.problems.append(self._incomplete(group))

    def _complete(self, found: Sequence[_Found]) -> bool:
        return sorted(match.channel for match in found) == list(range(len(self.endings)))

    def _incomplete(self, group: Sequence[_Found]) -> Problem:
        own = {ending: [m.path for m in group if m.channel == channel] for channel, ending in enumerate(self.endings)}
        missing = listing(repr(ending) for ending, paths in own.items() if not paths)
        several = [f"{len(paths)} for {ending!r}" for ending, paths in own.items() if len(paths) > 1]
        what = listing([*([f"none for {missing}"] if missing else []), *several])
        place, stem = group[0].place, group[0].stem
        beside = [Path(file).name for file in self.files if file.rpartition("/")[0] == group[0].path.rpartition("/")[0]]
        names = listing((name for name in beside if name.startswith(stem)), _SHOWN)
        expected = f"one file for each of {listing(map(repr, self.endings))}"
        return Problem(str(self.root / place), f"expected {expected}; has {what}; found {names}")

    def _check_places(self, found: Sequence[_Found]) -> None:
        """Note the files and folders that the layout has no place for."""
        outside = [match.path for match in found if self.by_class and "/" not in match.path]
        if outside:
            allowed = "<class>/<patient>/<files> or <class>/<files> for custom"
            what = f"{len(outside)} files lie in no class folder: {listing(outside, _SHOWN)}"
            self.problems.append(Problem(str(self.root), what, allowed))
        flat = [match.path for match in found if match.path.count("/") == self.levels]
        if flat:
            what = f"{len(flat)} files lie in no patient folder: each name before the ending counts as a subject"
            self.warnings.append(f"{what}; if some belong to one patient, give them one SubjectID")
        deep = max(match.path.count("/") for match in found) - self.levels
        if deep > 1:
            kind = "in each class folder" if self.by_class else f"in {self.root}"
            count = len({tuple(match.path.split("/")[: self.levels + 1]) for match in found})
            what = f"files lie {deep} folders deep: the first folder {kind} counts as the subject ({count} subjects)"
            self.warnings.append(what)
        self._check_unused(found)

    def _check_unused(self, found: Sequence[_Found]) -> None:
        """Folders without a match are left out, unless their files look as if an ending should have matched."""
        used = {"/".join(match.path.split("/")[:depth]) for match in found for depth in range(1, self.levels + 2)}
        unused = [folder for folder in self.folders if folder.count("/") <= self.levels and folder not in {*used, "."}]
        left_out = []
        extensions = tuple({hit[0].lower() for ending in self.endings if (hit := _EXTENSION.search(ending))})
        for folder in unused:
            if folder.rpartition("/")[0] in unused:
                continue
            own = [file.removeprefix(f"{folder}/") for file in self.files if file.startswith(f"{folder}/")]
            if any(name.lower().endswith(extensions) for name in own):
                expected = f"expected files that end with {listing(map(repr, self.endings))}"
                what = f"{expected}; has none; found {listing(own, _SHOWN)}"
                self.problems.append(Problem(str(self.root / folder), what))
            else:
                left_out.append(folder)
        if left_out:
            self.warnings.append(
                f"{len(left_out)} folders hold no matching file and are left out: {listing(left_out, _SHOWN)}"
            )

    def _told_apart(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows, with the class in front of every subject name when some name occurs in several classes."""
        classes = defaultdict(set)
        for row in rows:
            classes[row.subject].add(row.class_name)
        shared = sorted(subject for subject, own in classes.items() if len(own) > 1)
        if not shared:
            return list(rows)
        what = f"{len(shared)} subject names occur in several classes and count as different subjects"
        fix = "if they are the same people, give them one SubjectID"
        self.warnings.append(f"{what}: {listing(shared, _SHOWN)}; {fix}")
        return [replace(row, subject=f"{row.class_name}/{row.subject}") for row in rows]


def _cut(root: Path, rows: Sequence[Row], grid: PatchGrid) -> list[Row]:
    """Return a row for every patch on tissue of the slide in each of ``rows``."""
    cut: list[Row] = []
    problems = []
    for row in rows:
        for file in row.files:
            try:
                cut += [replace(row, files=(f"{file}{MARK}{patch}",)) for patch in tissue_patches(root / file, grid)]
            except UnreadableError as error:
                problems.append(error.at(str(root / file)))
    if not cut and not problems:
        problems.append(Problem(str(root), f"no slide has tissue that fills a patch of {grid.size} pixels"))
    raise_if_any(problems, DataError)
    return cut


def _grouped(found: Iterable[_Found], key: Callable[[_Found], str]) -> list[list[_Found]]:
    groups: dict[str, list[_Found]] = defaultdict(list)
    for match in found:
        groups[key(match)].append(match)
    return list(groups.values())


def table(root: Path, rows: Sequence[Row], labels: Sequence[str], base: Path | None) -> str:
    """Return the text of a CSV; paths are relative to ``base`` when there is one."""
    channels = [f"Channel_{channel}" for channel in range(len(rows[0].files))]
    written: list[list[object]] = [["SubjectID", *channels, *(["Label", "LabelMapping"] if labels else [])]]
    numbers = {name: number for number, name in enumerate(sorted(set(labels)))}
    for index, row in enumerate(rows):
        files = [_written_path(root, file, base) for file in row.files]
        written.append([row.subject, *files, *([numbers[labels[index]], labels[index]] if labels else [])])
    return csv_text(written)


def _written_path(root: Path, file: str, base: Path | None) -> str:
    if base is not None:
        # A path up from a folder that is a link starts at what it leads to.
        return Path(os.path.relpath(root.resolve() / file, base.resolve())).as_posix()
    return str((root.resolve() if ".." in root.parts else root.absolute()) / file)
