"""The conformance kit of readers: a file that is whole is read, and one that is not is refused in words."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from gandlf_synth import registry
from gandlf_synth.data.formats.image import NUMBER_TYPES, Image, as_slice
from gandlf_synth.data.formats.readers import Reader, UnreadableError, read_image
from gandlf_synth.data.formats.readers.base import FOLDER
from gandlf_synth.testing.promises import Promises, seen_unless

_SHARES = (0.0, 0.3, 0.6, 0.9, 0.99)
"""What is left of a truncated file."""


def check_reader(name: str, path: Path, part: str = "") -> None:
    """Check a registered reader on an example.

    Args:
        name: the registered name.
        path: a file or folder that it reads; copies of it are damaged, itself is not.
        part: which of its images, as a CSV names it after ``#``.

    Raises:
        PluginError: every promise that the reader breaks.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "volume.npy"
        >>> np.save(path, np.zeros((8, 9, 10), np.float32))
        >>> check_reader("numpy", path)
    """
    reader: Reader = registry.load("readers", name)()
    promises = Promises(f"readers.{name}, {path.name}")
    promises.add("its endings are lower case and start with a dot, or stand for folders", _endings, reader)
    promises.add("it is the reader of the example, by the ending or by the content", _is_taken, reader, path, part)
    promises.add("it returns 32-bit channels on their grid, in the units of the file", _image, reader, path, part)
    promises.add("it reads the same from the same file", _repeatable, reader, path, part)
    promises.add("the files that decide what is read exist, and the example is one of them", _files, reader, path)
    promises.add("it raises UnreadableError for what is damaged, and nothing else", _damaged, reader, path, part)
    if reader.has_parts:
        promises.add("it raises UnreadableError for a part that is not there", _wrong_part, reader, path)
    promises.check()


def _endings(reader: Reader) -> str:
    wrong = [
        suffix
        for suffix in reader.suffixes
        if suffix != FOLDER and not (suffix.startswith(".") and suffix == suffix.lower())
    ]
    return seen_unless(bool(reader.suffixes) and not wrong, wrong or "none")


def _is_taken(reader: Reader, path: Path, part: str) -> str:
    cell = path.parent / f"{path.name}#{part}" if part else path
    kept = np.array_equal(read_image(cell).array, as_slice(reader(path, part)).array)
    return seen_unless(kept, "another image than the reader that is taken")


def _image(reader: Reader, path: Path, part: str) -> str:
    image = reader(path, part)
    num_channels, *shape = image.array.shape
    fits = tuple(shape) == image.geometry.shape and len(image.scale) == num_channels
    in_file_units = bool((image.scale == 1).all() and (image.offset == 0).all())
    kept = fits and in_file_units and image.dtype in NUMBER_TYPES and image.array.dtype == np.float32
    seen = f"{image.array.dtype} {image.array.shape} on a grid of {image.geometry.shape}, made from {image.dtype}"
    return seen_unless(kept, seen)


def _repeatable(reader: Reader, path: Path, part: str) -> str:
    first, second = reader(path, part), reader(path, part)
    kept = np.array_equal(first.array, second.array) and first.geometry.matches(second.geometry)
    return seen_unless(kept, "another image")


def _files(reader: Reader, path: Path) -> str:
    files = reader.files(path)
    kept = all(file.exists() for file in files) and (path.is_dir() or path in files)
    return seen_unless(kept and bool(files), [file.name for file in files])


def _damaged(reader: Reader, path: Path, part: str) -> str:
    """Try truncated copies, and one of random bytes; a format may still read what is left."""
    for share in _SHARES:
        seen = _with_copy(path, partial(_first_part, share), reader, part)
        if seen:
            return f"{seen}, for a file of which {share:.0%} is left"
    rng = np.random.default_rng(0)
    seen = _with_copy(path, lambda content: rng.bytes(min(len(content), 4096)), reader, part)
    return f"{seen}, for random bytes" if seen else ""


def _first_part(share: float, content: bytes) -> bytes:
    return content[: int(share * len(content))]


def _with_copy(path: Path, damage: Callable[[bytes], bytes], reader: Reader, part: str) -> str:
    with TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        if path.is_dir():
            shutil.copytree(path, copy)
        else:
            shutil.copy(path, copy)
        for file in [file for file in copy.rglob("*") if file.is_file()] if copy.is_dir() else [copy]:
            file.write_bytes(damage(file.read_bytes()))
        try:
            image = reader(copy, part)
        except UnreadableError:
            return ""
        return seen_unless(isinstance(image, Image), type(image).__name__)


def _wrong_part(reader: Reader, path: Path) -> str:
    try:
        reader(path, "no such part")
    except UnreadableError:
        return ""
    return seen_unless(False, "an image")
