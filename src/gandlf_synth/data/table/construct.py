"""Makes the CSV of a folder of images, with subjects and classes taken from the names of its folders."""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from gandlf_synth.config import LabelingParadigm
from gandlf_synth.data.formats.readers import MARK, UnreadableError, is_image_folder
from gandlf_synth.data.formats.readers.tar_shard import SUFFIX as TAR
from gandlf_synth.data.table.dicom_folders import with_series
from gandlf_synth.data.table.folder_samples import (
    EXTENSION,
    ChannelFile,
    Endings,
    FolderLayout,
    SampleRow,
    is_inside_word,
    match_channel,
)
from gandlf_synth.data.table.known_layouts import cases_left_out, known_layout
from gandlf_synth.data.table.participants import Participants, read_participants
from gandlf_synth.data.table.shard_samples import ShardSamples, are_shards, shard_samples
from gandlf_synth.data.table.slide_tiles import TileGrid, tissue_tiles
from gandlf_synth.errors import ConfigError, DataError, Problem, counted, listing, option, raise_if_any
from gandlf_synth.files import write_csv

_SHOWN = 10
_LABEL_FROM = {"patient": "subject", "custom": "class_name"}


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


def construct_csv(
    input_dir: Path,
    endings: Sequence[str] | Endings | None,
    paradigm: LabelingParadigm,
    output_file: Path,
    relative_paths: bool = False,
    overwrite: bool = False,
    tiles: TileGrid | None = None,
    participants: Path | None = None,
) -> ConstructReport:
    """Write the CSV of the images under a folder: SubjectID, Channel_0 …, and with labels Label, LabelMapping.

    The layout is ``<patient>/<files>``, for ``custom`` ``<class>/<patient>/<files>``. Deeper folders belong to their
    patient. Files that lie in no patient folder are grouped by what their names have before the ending. A folder of
    DICOM files that are one series counts as one file, of the ending ``.dcm`` and of its own name with a slash.

    Args:
        input_dir: the folder.
        endings: what the file names of each channel, or of each column, end with, in the order of the columns. An
            ending that starts with a letter or digit must follow neither: ``t1.nii.gz`` is not the end of
            ``post_at1.nii.gz``. ``t1/`` stands for DICOM folders of that name, ``.dcm`` for all of them. None: those
            of a layout that challenges fix, see ``known_layout``, or of tar shards, see ``shard_samples``.
        paradigm: no labels, the patient as label, or the class folder as label; numbered in sorted order.
        output_file: the CSV.
        relative_paths: write paths relative to the CSV instead of absolute ones.
        overwrite: replace an existing CSV.
        tiles: write a row for every tile on tissue of each whole-slide image instead of one for the slide.
        participants: a table whose columns are added by subject, such as ``participants.tsv`` of BIDS.

    Raises:
        ConfigError: the endings are empty or repeat.
        DataError: every folder in which a channel is missing or ambiguous, every DICOM folder of several series;
            nothing matches; a slide cannot be read; the CSV exists.
        MissingExtraError: slides are to be cut and tiffslide is not installed.
    """
    people = None if participants is None else read_participants(participants)
    _check_places(input_dir, output_file, overwrite)
    named = endings if isinstance(endings, Endings) or endings is None else Endings(tuple(endings))
    if named is not None:
        _check_endings(named, cut=tiles is not None)
    samples = _samples_in_shards(input_dir, named, paradigm)
    if samples is not None:
        columns, rows, warnings = samples.columns, list(samples.rows), list(samples.notes)
    elif named is None:
        columns, rows, warnings = _known_rows(input_dir)
    else:
        columns, rows, warnings = _found_rows(input_dir, named, paradigm)
    if tiles is not None:
        rows = _cut(input_dir, rows, tiles)
    labels = [] if paradigm == "unlabeled" else [getattr(row, _LABEL_FROM[paradigm]) for row in rows]
    base = output_file.parent if relative_paths else None
    subjects = [row.subject for row in rows]
    if people is not None and (unknown := people.missing(subjects)):
        warnings.append(f"{people.path} says nothing of {counted(len(unknown), 'subject')}: {listing(unknown, _SHOWN)}")
    write_samples(
        output_file, input_dir, rows, labels, base, columns=columns, people=people, new=not overwrite,
        further=samples.further if samples else (), numbers=samples.numbers if samples else {},
    )  # fmt: skip
    if paradigm == "patient" and len(set(subjects)) == len(rows):
        warnings.append("every patient has one row, so validation or test data cannot be split off")
    return ConstructReport(len(rows), len(set(subjects)), dict(sorted(Counter(labels).items())), tuple(warnings))


def _samples_in_shards(root: Path, endings: Endings | None, paradigm: LabelingParadigm) -> ShardSamples | None:
    """Return the samples of tar shards, None where the folder holds other images, or what is asked for is no shard."""
    files, _ = _walk(root)
    shards = [file for file in files if file.lower().endswith(TAR)]
    words = list(endings.by_column.values()) if endings else []
    if not shards or (words != [TAR] and not are_shards(files) and any(match_channel(file, words) for file in files)):
        return None
    if endings is None and not are_shards(files):
        return None
    return shard_samples(root, shards, None if words == [TAR] else endings, paradigm)


def _found_rows(
    root: Path, endings: Endings, paradigm: LabelingParadigm
) -> tuple[tuple[str, ...], list[SampleRow], list[str]]:
    """Return the columns, the rows that are found by the endings of file names, and what a person should check."""
    words = list(endings.by_column.values())
    files, folders = _walk(root)
    files, problems = with_series(root, files, words)
    raise_if_any(problems, DataError)
    matches = [match for match in (match_channel(file, words) for file in files) if match]
    raise_if_any(_unwritable_names(root, matches), DataError)
    raise_if_any(_unmatched_endings(root, files, matches, words), DataError)
    layout = FolderLayout(root, endings, paradigm == "custom", files, folders)
    rows = layout.rows(matches)
    raise_if_any(layout.problems, DataError)
    return tuple(endings.by_column), rows, layout.warnings


def _known_rows(root: Path) -> tuple[tuple[str, ...], list[SampleRow], list[str]]:
    layout = known_layout(root)
    if layout is None:
        what = "is in none of the layouts that are known without endings: BraTS, SynthRAD or KonfAI, nnU-Net"
        fix = f"name the endings of the files with {option('channel_endings')}"
        raise DataError(Problem(str(root), what, fix=fix))
    left_out = list(cases_left_out(layout, root))
    notes = [layout.reason]
    if left_out:
        notes.append(f"{len(left_out)} folders are left out: {listing(left_out, _SHOWN)}")
    return layout.columns, list(layout.rows), notes


def _check_endings(endings: Endings, *, cut: bool) -> None:
    words = list(endings.by_column.values())
    if not all(word.strip() for word in words) or len(set(words)) < len(words) or not endings.channels:
        what = f"{','.join(words)!r} has an empty or repeated ending"
        raise ConfigError(Problem(option("channel_endings"), what, "different file-name endings, one per channel"))
    if cut and len(words) > 1:
        what = f"{','.join(words)!r} are several"
        raise ConfigError(Problem(option("channel_endings"), what, "one, for slides to cut"))


def _check_places(input_dir: Path, output_file: Path, overwrite: bool) -> None:
    if not input_dir.is_dir():
        raise DataError(Problem(str(input_dir), "is not a folder" if input_dir.exists() else "does not exist"))
    if output_file.is_dir() or (output_file.exists() and not overwrite):
        what = "is a folder" if output_file.is_dir() else "exists"
        raise DataError(Problem(str(output_file), what, fix=f"choose another name, or add {option('overwrite')}"))


def _walk(root: Path) -> tuple[list[str], list[str]]:
    """Return all visible files and folders under ``root``, relative; a folder that links lead to counts once."""
    files: list[str] = []
    folders: list[str] = []
    seen: set[str] = set()
    for folder, names, file_names in os.walk(root, followlinks=True, onerror=_unreadable):
        real = os.path.realpath(folder)
        place = PurePosixPath(Path(folder).relative_to(root).as_posix())
        if real not in seen:
            files += [str(place / name) for name in names if is_image_folder(name)]
        names[:] = (
            [] if real in seen else sorted(name for name in names if name[0] != "." and not is_image_folder(name))
        )
        names.sort(key=lambda name: (root / place / name).is_symlink())
        if real not in seen:
            files += [str(place / name) for name in file_names if name[0] != "."]
            folders.append(str(place))
        seen.add(real)
    return sorted(files), sorted(folders)


def _unreadable(error: OSError) -> None:
    raise DataError(Problem(str(error.filename), f"cannot be read: {error.strerror}")) from error


def _unwritable_names(root: Path, matches: Sequence[ChannelFile]) -> list[Problem]:
    bad = [match.path for match in matches if match.path.encode(errors="ignore").decode() != match.path]
    return [Problem(str(root), f"the name {path!a} is not UTF-8 text", fix="rename it") for path in bad]


def _unmatched_endings(
    root: Path, files: Sequence[str], matches: Sequence[ChannelFile], endings: Sequence[str]
) -> list[Problem]:
    problems = []
    for channel, ending in enumerate(endings):
        if channel in {match.channel for match in matches}:
            continue
        inside = next((file for file in files if file.endswith(ending) and is_inside_word(file, ending)), "")
        fix = f"{inside} ends with it in the middle of a word: write the whole word" if inside else ""
        problems.append(
            Problem(str(root), f"no file ends with {ending!r}; endings seen: {_endings_seen(files)}", fix=fix)
        )
    return problems


def _endings_seen(files: Sequence[str]) -> str:
    """Return the common last words of the file names, such as ``_t1.nii.gz``, else their extensions, with counts."""
    names = [file.rpartition("/")[2] for file in files]
    kinds = Counter(match[0] if (match := EXTENSION.search(name)) else name for name in names)
    words = Counter(re.split(r"(?=[_-][^_-]*$)", name)[-1] for name in names)
    seen = words if len(words) <= _SHOWN else kinds
    return (
        listing((f"{ending} ({count})" for ending, count in seen.most_common()), _SHOWN) or "none, there are no files"
    )


def _cut(root: Path, rows: Sequence[SampleRow], grid: TileGrid) -> list[SampleRow]:
    """Return a row for every tile on tissue of the slide in each of ``rows``."""
    cut: list[SampleRow] = []
    problems = []
    for row in rows:
        for file in filter(None, row.files):
            try:
                cut += [replace(row, files=(f"{file}{MARK}{tile}",)) for tile in tissue_tiles(root / file, grid)]
            except UnreadableError as error:
                problems.append(error.at(str(root / file)))
    if not cut and not problems:
        problems.append(Problem(str(root), f"no slide has tissue that fills a patch of {grid.size} pixels"))
    raise_if_any(problems, DataError)
    return cut


def write_samples(
    path: Path,
    root: Path,
    rows: Sequence[SampleRow],
    labels: Sequence[str],
    base: Path | None,
    *,
    columns: Sequence[str] = ("Channel_0",),
    people: Participants | None = None,
    new: bool = False,
    further: Sequence[str] = (),
    numbers: Mapping[str, int] | None = None,
) -> None:
    """Write the CSV of ``rows``, whose files are relative to ``root``; in it they are relative to ``base``, if any.

    Args:
        path: the CSV.
        root: the folder of the images.
        rows: the samples.
        labels: the class of each row; none without classes.
        base: the folder to which paths are written; None: they are absolute.
        columns: of the files of each row.
        people: adds its columns by subject.
        new: refuse to replace a CSV.
        further: the columns of each row's ``extra``.
        numbers: the number of each class; absent or empty: their places in the order of the alphabet.

    Raises:
        ConfigError: with ``new``, the CSV exists.
    """
    of_people = people.columns if people else ()
    classes = ["Label", "LabelMapping"] if labels else []
    lines: list[list[object]] = [["SubjectID", *columns, *classes, *further, *of_people]]
    known = numbers or {name: number for number, name in enumerate(sorted(set(labels)))}
    for index, row in enumerate(rows):
        files = [_written_path(root, file, base) if file else "" for file in row.files]
        label = [known[labels[index]], labels[index]] if labels else []
        lines.append([row.subject, *files, *label, *row.extra, *(people.of(row.subject) if people else ())])
    write_csv(path, lines, new=new)


def _written_path(root: Path, file: str, base: Path | None) -> str:
    if base is not None:
        # A path up from a folder that is a link starts at what it leads to.
        return Path(os.path.relpath(root.resolve() / file, base.resolve())).as_posix()
    return str((root.resolve() if ".." in root.parts else root.absolute()) / file)
