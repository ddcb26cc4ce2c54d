"""The DICOM programs of Debian, which know the standard better than this one: dicom3tools and dcm2niix."""

import os
import subprocess
from pathlib import Path
from shutil import which

import pytest

UNKNOWN_MARK = (
    "Error - Attribute with an even group number is not a recognized standard attribute - (0x0008,0x001c)  ? "
)
"""Synthetic Data (0008,001C) is younger than the dictionary of dicom3tools."""

NEEDED = bool(os.environ.get("NEEDS_DICOM_TOOLS"))


def needs(program: str) -> pytest.MarkDecorator:
    """Skip a test where ``program`` is not installed, unless it has to be."""
    return pytest.mark.skipif(not which(program) and not NEEDED, reason=f"{program} is not installed")


def errors_of(file: Path) -> list[str]:
    """Return what dciodvfy finds wrong with a file."""
    told = subprocess.run(["dciodvfy", str(file)], capture_output=True, text=True, errors="replace", check=False).stderr
    return [line for line in told.splitlines() if line.startswith("Error")]


def contradictions_of(files: list[Path]) -> str:
    """Return in what dcentvfy sees files of one patient, study or series contradict one another."""
    told = subprocess.run(["dcentvfy", *map(str, files)], capture_output=True, text=True, errors="replace", check=False)
    return told.stdout + told.stderr


def converted(folder: Path, into: Path) -> list[Path]:
    """Return the NIfTI files that dcm2niix makes of a folder."""
    into.mkdir()
    command = ["dcm2niix", "-b", "n", "-z", "n", "-f", "%s", "-o", str(into), str(folder)]
    subprocess.run(command, capture_output=True, text=True, check=True)
    return sorted(into.glob("*.nii"))
