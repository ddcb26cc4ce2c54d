"""Which code made a value: what is kept of an image counts only as long as the code that would make it is the same."""

import hashlib
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from uuid import uuid4

from gandlf_synth.provenance import digest

_PACKAGE = "gandlf_synth"
_READING = ("geometry.py", "data/formats")
_PROCESSING = ("data/processing", "bridges")
_LIBRARIES = ("numpy", "nibabel", "SimpleITK", "pydicom", "pillow", "tifffile", "openslide-python", "highdicom", "zarr")
_FURTHER_LIBRARIES = ("torch", "torchio", "monai", "scipy", "scikit-image", "GANDLF")
"""What steps leave the work to, beside what readers do."""


@cache
def reader_version(reader: type) -> str:
    """Return a digest that changes when the code of a reader does, or a library that reads.

    A component of this package stands on the source of its kind, one of another package on the source of that package,
    one of a single file on that file and on what it imports from beside it. What was typed into an interpreter has no
    source: its digest is new in every process.
    """
    return digest([_foreign_code(reader), _own_code(_READING), _versions(_LIBRARIES)])


@cache
def step_version(step: type) -> str:
    """Return a digest that changes when the code of a preprocessing step does, or a library that it may use."""
    return code_version(step, *_PROCESSING)


def code_version(component: type, *own_code: str) -> str:
    """Return a digest that changes when the code of a component does, or a library that it may use.

    Args:
        component: whose code counts where it is of another package or a plugin.
        own_code: modules and folders of this package that it stands on, beside those that read images.
    """
    libraries = (*_LIBRARIES, *_FURTHER_LIBRARIES)
    return digest([_foreign_code(component), _own_code((*_READING, *own_code)), _versions(libraries)])


def _foreign_code(component: type) -> str:
    if component.__module__.partition(".")[0] == _PACKAGE:
        return ""
    module = sys.modules.get(component.__module__)
    if module is None or getattr(module, "__file__", None) is None:
        return uuid4().hex
    return _digest_sources(_sources(module))


@cache
def _own_code(names: tuple[str, ...]) -> str:
    root = Path(__file__).parents[2]
    return _digest_sources(file for name in names for file in _python_files(root / name))


@cache
def _versions(libraries: tuple[str, ...]) -> dict[str, str]:
    versions = {}
    for name in libraries:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _python_files(path: Path) -> Iterable[Path]:
    return path.rglob("*.py") if path.is_dir() else [path]


def _sources(module: ModuleType) -> Iterable[Path]:
    top = sys.modules.get(module.__name__.partition(".")[0], module)
    folders = getattr(top, "__path__", None)
    if folders:
        return (file for folder in folders for file in _python_files(Path(folder)))
    return _files_used(module, Path(str(module.__file__)).parent)


def _files_used(module: ModuleType, folder: Path) -> set[Path]:
    """Return the file of ``module``, and those under ``folder`` from which it has imported something."""
    files: set[Path] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        file = Path(getattr(current, "__file__", None) or "")
        if file in files or folder not in file.parents:
            continue
        files.add(file)
        values = vars(current).values()
        names = {
            value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "") for value in values
        }
        waiting += [sys.modules[name] for name in names if isinstance(name, str) and name in sys.modules]
    return files


def _digest_sources(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for file in sorted(files):
        total.update(f"{file.name}\0".encode() + file.read_bytes())
    return total.hexdigest()
