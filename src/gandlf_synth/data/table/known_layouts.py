"""Layouts that challenges and other tools fix: BraTS, SynthRAD and KonfAI case folders, nnU-Net."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gandlf_synth.data.formats.readers import readable_suffixes
from gandlf_synth.data.table.folder_samples import SampleRow

_LEAST_SHARE = 0.8
"""Share of the case folders that must have what a layout names."""
_BRATS = ("t1n", "t1c", "t2w", "t2f")
_NNUNET = re.compile(r"(?P<case>.+)_(?P<channel>[0-9]{4})$")


@dataclass(frozen=True)
class KnownLayout:
    """A folder in a layout that others fix.

    Args:
        name: of the layout.
        columns: the columns of its CSV that name files, in the order of each row's files.
        rows: a row per case; an empty name where a case lacks a file that it may lack.
        reason: how this was seen and what was made of it, for people.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[SampleRow, ...]
    reason: str


def known_layout(root: Path) -> KnownLayout | None:
    """Return the layout of ``root`` and its rows, None where it is none of those that are known.

    No file is opened. Cases that lack what is to be generated, or all that it is made from, are left out.
    """
    files = sorted(file.relative_to(root) for file in root.rglob("*") if file.is_file() and suffix_of(file.name))
    recognizers: Sequence[Callable[[Sequence[Path]], KnownLayout | None]] = (
        _nnunet, _brats_inpainting, _brats, _case_folders,
    )  # fmt: skip
    return next((found for recognize in recognizers if (found := recognize(files))), None)


def suffix_of(name: str) -> str:
    """Return the ending of a file name that a reader knows, nothing where there is none.

    Example:
        >>> suffix_of("a.b.nii.gz"), suffix_of("notes.md")
        ('.nii.gz', '')
    """
    fitting = [suffix for suffix in readable_suffixes() if name.lower().endswith(suffix)]
    return name[-len(max(fitting, key=len)) :] if fitting else ""


def _nnunet(files: Sequence[Path]) -> KnownLayout | None:
    images, labels = ([file for file in files if file.parts[:-1] == (part,)] for part in ("imagesTr", "labelsTr"))
    if not images or not labels:
        return None
    cases: dict[str, dict[int, Path]] = defaultdict(dict)
    for file in images:
        if match := _NNUNET.fullmatch(_stem(file)):
            cases[match["case"]][int(match["channel"])] = file
    masks = {_stem(file): file for file in labels}
    count = max((len(channels) for channels in cases.values()), default=0)
    rows = [
        _row(case, [*(channels[number] for number in range(count)), masks.get(case)])
        for case, channels in sorted(cases.items())
        if set(channels) == set(range(count))
    ]
    columns = (*(f"Channel_{number}" for number in range(count)), "Mask")
    return _layout("nnU-Net", columns, rows, "imagesTr and labelsTr: the labels are masks")


def _brats_inpainting(files: Sequence[Path]) -> KnownLayout | None:
    names = {"Channel_0": "t1n", "Region": "mask-healthy", "Mask": "mask-unhealthy"}
    wanted = ("t1n", "mask-healthy")
    return _by_ending("BraTS inpainting", files, names, wanted, "the healthy mask is the region to be made anew")


def _brats(files: Sequence[Path]) -> KnownLayout | None:
    names = {**{f"Channel_{number}": word for number, word in enumerate(_BRATS)}, "Mask": "seg"}
    return _by_ending("BraTS", files, names, _BRATS, "four sequences, the segmentation is the mask")


def _case_folders(files: Sequence[Path]) -> KnownLayout | None:
    words = {_stem(file).lower() for file in files}
    source = next((word for word in ("mr", "cbct") if word in words), None)
    if source is None or "ct" not in words:
        return None
    names = {"Channel_0": "ct", "Source_0": source, "Mask": "mask"}
    return _by_case(
        "SynthRAD or KonfAI case folders", files, names, ("ct", source), lambda file: _stem(file).lower(),
        f"CT is to be made from {source.upper()}",
    )  # fmt: skip


def _by_ending(
    name: str, files: Sequence[Path], names: Mapping[str, str], wanted: Sequence[str], told: str
) -> KnownLayout | None:
    """Return the layout of cases whose files are called as their folder, a hyphen and a word."""

    def word(file: Path) -> str:
        return _stem(file).removeprefix(f"{file.parent.name}-") if file.parent.name else ""

    return _by_case(name, files, names, wanted, word, told)


def _by_case(
    name: str,
    files: Sequence[Path],
    names: Mapping[str, str],
    wanted: Sequence[str],
    word: Callable[[Path], str],
    told: str,
) -> KnownLayout | None:
    cases: dict[Path, dict[str, Path]] = defaultdict(dict)
    for file in files:
        if len(file.parts) > 1:
            cases[file.parent][word(file)] = file
    complete = {case: found for case, found in cases.items() if all(each in found for each in wanted)}
    if not complete or len(complete) < _LEAST_SHARE * len(cases):
        return None
    used = {column: each for column, each in names.items() if any(each in found for found in complete.values())}
    rows = [_row(case.name, [found.get(each) for each in used.values()]) for case, found in sorted(complete.items())]
    return _layout(name, tuple(used), rows, told)


def _row(subject: str, files: Sequence[Path | None]) -> SampleRow:
    return SampleRow("", subject, tuple("" if file is None else file.as_posix() for file in files))


def _layout(name: str, columns: tuple[str, ...], rows: Sequence[SampleRow], told: str) -> KnownLayout | None:
    if not rows:
        return None
    used = [place for place, _ in enumerate(columns) if any(row.files[place] for row in rows)]
    kept = tuple(SampleRow("", row.subject, tuple(row.files[place] for place in used)) for row in rows)
    return KnownLayout(name, tuple(columns[place] for place in used), kept, f"the layout of {name}: {told}")


def _stem(file: Path) -> str:
    return file.name.removesuffix(suffix_of(file.name))


def cases_left_out(layout: KnownLayout, root: Path) -> Iterator[str]:
    """Yield the case folders that are not used, for people."""
    used = {Path(name).parent for row in layout.rows for name in row.files if name}
    for folder in sorted({file.relative_to(root).parent for file in root.rglob("*") if suffix_of(file.name)}):
        if folder not in used and folder.parts:
            yield folder.as_posix()
