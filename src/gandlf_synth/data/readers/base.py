"""What a reader of a file format does; one file per format, found through the entry-point group ``readers``."""

from functools import cache
from pathlib import Path
from typing import Protocol

from gandlf_synth import registry
from gandlf_synth.data.image import Image
from gandlf_synth.errors import Problem, did_you_mean, listing


class UnreadableError(Exception):
    """A file that a reader cannot use; the caller knows the row and column and makes the message.

    Args:
        what: what is wrong, without the path, such as ``"is truncated: 1,024 of 4,096 bytes"``.
        allowed, fix: as in ``errors.Problem``.
    """

    def __init__(self, what: str, allowed: str = "", fix: str = "") -> None:
        self.what, self.allowed, self.fix = what, allowed, fix
        super().__init__(what)

    def at(self, where: str) -> Problem:
        """Return the problem, placed."""
        return Problem(where, self.what, self.allowed, self.fix)


class Reader(Protocol):
    """Reads one file format."""

    suffixes: tuple[str, ...]
    """Lower-case file-name endings, such as ``(".nii", ".nii.gz")``."""

    def read(self, path: Path) -> Image:
        """Return the whole image in the file's own units.

        Raises:
            UnreadableError: the file is damaged, or holds what cannot be one image.
        """


@cache
def _readers() -> dict[str, Reader]:
    by_suffix: dict[str, Reader] = {}
    for name in registry.names("readers"):
        reader: Reader = registry.load("readers", name)
        by_suffix.update(dict.fromkeys(reader.suffixes, reader))
    return by_suffix


def readable_suffixes() -> list[str]:
    """Return every file-name ending that some reader knows."""
    return sorted(_readers())


def is_readable(path: Path) -> bool:
    """Say whether some reader knows the ending of ``path``."""
    return any(path.name.lower().endswith(suffix) for suffix in _readers())


def read_image(path: Path) -> Image:
    """Return the image in ``path``, read by the format's reader.

    Raises:
        UnreadableError: the file is missing, empty, of an unknown format, or damaged.
    """
    if not path.is_file():
        raise UnreadableError("is a folder" if path.is_dir() else "does not exist")
    if path.stat().st_size == 0:
        raise UnreadableError("is empty (0 bytes)")
    matching = [suffix for suffix in _readers() if path.name.lower().endswith(suffix)]
    if not matching:
        known = readable_suffixes()
        raise UnreadableError(
            f"has an unknown file type {path.suffix!r}", listing(known), did_you_mean(path.suffix, known)
        )
    image = _readers()[max(matching, key=len)].read(path)
    if image.array.size == 0:
        raise UnreadableError(f"has an axis of length 0: {image.geometry.shape}")
    return image
