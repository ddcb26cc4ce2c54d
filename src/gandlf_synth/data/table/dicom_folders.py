"""Finds the DICOM series in a tree of files, so that a folder of slices counts as one image."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from gandlf_synth.data.formats.readers import UnreadableError
from gandlf_synth.data.formats.readers.base import FOLDER
from gandlf_synth.data.formats.readers.dicom import SUFFIXES, Series, is_marked_dicom, series_in
from gandlf_synth.errors import Problem, listing


def is_dicom_suffix(ending: str) -> bool:
    """Say whether a channel's ending means DICOM files of any name."""
    return f".{ending.lower().lstrip('.')}" in SUFFIXES


def is_volume(series: Series) -> bool:
    """Say whether the files of ``series`` are the slices of a volume."""
    return series.placed and len(series.files) > 1


def holds_volumes(root: Path) -> bool:
    """Say whether slices of a volume lie in some folder under ``root``, so that files are not the images."""
    return any(is_volume(one) for _, series in dicom_folders(root) if not isinstance(series, str) for one in series)


def dicom_folders(root: Path) -> Iterator[tuple[str, list[Series] | str]]:
    """Yield every folder with DICOM images, relative to ``root``, with its series or with why they cannot be read."""
    for place, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        folder = Path(place)
        if any(_is_dicom(folder / name) for name in files):
            try:
                series: list[Series] | str = series_in(folder)
            except UnreadableError as error:
                series = error.what
            yield folder.relative_to(root).as_posix(), series


def with_series(root: Path, files: Sequence[str], endings: Sequence[str]) -> tuple[list[str], list[Problem]]:
    """Return ``files`` with the slices of every DICOM series replaced by their folder, as ``patient/t1/``.

    Args:
        root: the folder to which ``files`` are relative.
        files: all files.
        endings: those of the channels; without one of DICOM, nothing changes.

    Returns:
        The files and folders, and a problem for each folder that holds several series of which some are volumes.
    """
    if not any(ending.endswith(FOLDER) or is_dicom_suffix(ending) for ending in endings):
        return list(files), []
    by_folder: dict[str, list[str]] = defaultdict(list)
    for file in files:
        by_folder[file.rpartition("/")[0]].append(file)
    images: list[str] = []
    problems: list[Problem] = []
    for folder, names in by_folder.items():
        slices = {file for file in names if _is_dicom(root / file)}
        if not slices:
            images += names
            continue
        try:
            series = series_in(root / folder)
        except UnreadableError as error:
            problems.append(error.at(str(root / folder)))
            continue
        if _is_one_image(series, endings):
            images += [f"{folder}/", *(file for file in names if file not in slices)]
        elif any(is_volume(one) for one in series):
            what = f"holds {len(series)} series: {listing(one.name for one in series)}"
            fix = "put each into a folder of its own, as <patient>/<series>/<files>"
            problems.append(Problem(str(root / folder), what, "one series per folder", fix))
        else:
            images += names
    return sorted(images), problems


def _is_dicom(file: Path) -> bool:
    return is_dicom_suffix(file.suffix) or is_marked_dicom(file)


def _is_one_image(series: Sequence[Series], endings: Sequence[str]) -> bool:
    """Say whether a folder is one image: a series of slices, or whatever is in a folder that is asked for by name."""
    by_name = any(ending.endswith(FOLDER) for ending in endings)
    return len(series) == 1 and (is_volume(series[0]) or by_name)
