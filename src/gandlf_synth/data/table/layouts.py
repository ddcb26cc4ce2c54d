"""How a folder of images is laid out: which files are channels, which folders are patients, classes or splits."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from gandlf_synth.config import LabelingParadigm
from gandlf_synth.data.formats.readers import is_image_folder, readable_in_words, readable_suffixes
from gandlf_synth.errors import DataError, Problem, listing

_SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "val": "val", "valid": "val", "validation": "val",
}  # fmt: skip
_ANNOTATION = re.compile(
    r"(^|[_\-. ])(seg|segmentation|mask|label|labels|gt|roi|annotation)\w*($|[_\-.])", re.IGNORECASE
)
_ORDER = ("t1", "t1w", "t1ce", "t1c", "t1gd", "t2", "t2w", "flair", "pd", "dwi", "adc", "ct", "pet")
_MOST_CLASSES = 50
_SHARED = 0.8


@dataclass(frozen=True)
class Layout:
    """What was found.

    Args:
        roots: the folder of each split; ``train`` at least.
        endings: the file-name ending of each channel, in order.
        paradigm: what the folders say of labels.
        reasons: how this was seen, for people.
        left_out: readable files that are not used, by kind.
    """

    roots: dict[str, Path]
    endings: tuple[str, ...]
    paradigm: LabelingParadigm
    reasons: tuple[str, ...]
    left_out: dict[str, int] = field(default_factory=dict)


def detect_layout(folder: Path) -> Layout:
    """Look at the names under ``folder``; no file is opened.

    Raises:
        DataError: there is no folder, or no file in it that a reader knows.
    """
    if not folder.is_dir():
        raise DataError(Problem(str(folder), "is not a folder" if folder.exists() else "does not exist"))
    roots = _split_roots(folder)
    root = roots["train"]
    files = _readable(root)
    if not files:
        raise DataError(Problem(str(root), "holds no image that can be read", readable_in_words()))
    images = [file for file in files if not _ANNOTATION.search(file.name)] or files
    suffix = Counter(_suffix(file) for file in images).most_common(1)[0][0]
    chosen = [file for file in images if _suffix(file) == suffix]
    units = units_of(chosen)
    by_class = are_classes(units)
    endings = (suffix,) if by_class else _endings(units, suffix)
    used = [file for file in chosen if file.name.endswith(endings)]
    reasons = [f"{len(used)} files end with {' or '.join(endings)}"]
    if len(roots) > 1:
        reasons.append(f"folders named {listing(roots[split].name for split in roots)} are the splits")
    reasons.append(_told(units, by_class))
    return Layout(roots, endings, "custom" if by_class else "unlabeled", tuple(reasons), _unused(files, used))


def _split_roots(folder: Path) -> dict[str, Path]:
    named = {_SPLITS[child.name.lower()]: child for child in sorted(folder.iterdir()) if child.name.lower() in _SPLITS}
    return named if "train" in named and len(named) > 1 else {"train": folder}


def _readable(root: Path) -> list[Path]:
    found = (file.relative_to(root) for file in sorted(root.rglob("*")) if file.is_file() or is_image_folder(file.name))
    return [file for file in found if _suffix(file) and not any(part.startswith(".") for part in file.parts)]


def _suffix(file: Path) -> str:
    name = file.name.lower()
    fitting = [suffix for suffix in readable_suffixes() if name.endswith(suffix)]
    return file.name[-len(max(fitting, key=len)) :] if fitting else ""


def units_of(files: Sequence[Path]) -> dict[str, list[Path]]:
    """Return the files of each first folder; those that lie in none under the empty name."""
    units: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        units[file.parts[0] if len(file.parts) > 1 else ""].append(file)
    return dict(units)


def are_classes(units: dict[str, list[Path]]) -> bool:
    """Say whether the first folders are classes: few, with many entries, which are not the same ones in each."""
    if not 2 <= len(units) <= _MOST_CLASSES or "" in units or _are_channels(units):
        return False
    entries = [{file.parts[1] for file in files} for files in units.values()]
    counts = Counter(entry for names in entries for entry in names)
    shared = [sum(counts[entry] >= _SHARED * len(units) for entry in names) / len(names) for names in entries]
    typical = median(len(names) for names in entries)
    return typical >= 3 and (typical >= 10 or median(shared) < 0.5)


def _are_channels(units: dict[str, list[Path]]) -> bool:
    """Say whether each folder holds one file of every kind, such as ``s01_t1.nii.gz`` and ``s01_t2.nii.gz``."""
    kinds = [Counter(_last_word(file.name, _suffix(file)) for file in files) for files in units.values()]
    counts = Counter(kind for own in kinds for kind in own)
    common = {kind for kind, count in counts.items() if count >= _SHARED * len(units)}
    alike = sum(set(own) <= common and max(own.values()) == 1 for own in kinds)
    return len(common) > 1 and alike >= _SHARED * len(units)


def _endings(units: dict[str, list[Path]], suffix: str) -> tuple[str, ...]:
    """Return the endings that nearly every patient has; the bare suffix where there are none."""
    if "" in units:
        words = Counter(_last_word(file.name, suffix) for file in units[""])
        stems = Counter(file.name.removesuffix(_last_word(file.name, suffix)) for file in units[""])
        complete = [word for word, count in words.items() if count >= _SHARED * len(stems)]
        return _sorted(complete, suffix) if len(stems) > 1 and len(complete) > 1 else (suffix,)
    for ending_of in (lambda name: name, lambda name: _last_word(name, suffix)):
        counts = Counter(ending for files in units.values() for ending in {ending_of(file.name) for file in files})
        common = [ending for ending, count in counts.items() if count >= _SHARED * len(units)]
        if common and len(units) > 1:
            return _sorted(common, suffix)
    return (suffix,)


def _last_word(name: str, suffix: str) -> str:
    stem = name.removesuffix(suffix)
    match = re.search(r"[_\-. ][A-Za-z][A-Za-z0-9]*$", stem)
    return (match[0] if match else "") + suffix


def _sorted(endings: Sequence[str], suffix: str) -> tuple[str, ...]:
    def place(ending: str) -> tuple[int, str]:
        word = ending.removesuffix(suffix).strip("_-. ").lower()
        return (_ORDER.index(word) if word in _ORDER else len(_ORDER), ending)

    return tuple(sorted(endings, key=place))


def _told(units: dict[str, list[Path]], by_class: bool) -> str:
    if by_class:
        return f"the {len(units)} folders hold many different images each: they are classes ({listing(units, 8)})"
    if "" in units:
        return "files lie side by side: each name before the ending is a subject"
    return f"the {len(units)} folders hold the same few files each: they are patients"


def _unused(files: Sequence[Path], used: Sequence[Path]) -> dict[str, int]:
    known = frozenset(used)
    unused = [file for file in files if file not in known]
    return dict(Counter(file.name if len(file.parts) > 1 else _suffix(file) for file in unused))
