"""Finds the DICOM series in a tree of files, so that a folder of slices counts as one image."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from gandlf_synth.data.formats.readers import UnreadableError
from gandlf_synth.data.formats.readers.base import FOLDER, is_marked_dicom
from gandlf_synth.data.formats.readers.dicom import SUFFIXES, Series, series_in
from gandlf_synth.errors import Problem, listing


def is_dicom_suffix(ending: str) -> bool:
    """Say whether a channel's ending means DICOM files of any name."""
    return f".{ending.lower().lstrip('.')}" in SUFFIXES


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
    units: list[str] = []
    problems: list[Problem] = []
    for folder, own in by_folder.items():
        dicom = [file for file in own if is_dicom_suffix(Path(file).suffix) or is_marked_dicom(root / file)]
        if not dicom:
            units += own
            continue
        try:
            series = series_in(root / folder)
        except UnreadableError as error:
            problems.append(error.at(str(root / folder)))
            continue
        if _is_one_image(series, endings):
            units += [f"{folder}/", *(file for file in own if file not in dicom)]
        elif any(one.placed and len(one.files) > 1 for one in series):
            what = f"holds {len(series)} series: {listing(one.name for one in series)}"
            fix = "put each into a folder of its own, as <patient>/<series>/<files>"
            problems.append(Problem(str(root / folder), what, "one series per folder", fix))
        else:
            units += own
    return sorted(units), problems


def _is_one_image(series: Sequence[Series], endings: Sequence[str]) -> bool:
    """Say whether a folder is one image: a series of slices, or whatever is in a folder that is asked for by name."""
    by_name = any(ending.endswith(FOLDER) for ending in endings)
    return len(series) == 1 and ((series[0].placed and len(series[0].files) > 1) or by_name)
