"""The text header of a MetaImage or NRRD file, for what ITK does not do with it.

ITK opens any file that a header names, leaves MetaImage's slope and intercept out, and reads packed voxels that are
damaged as whatever they unpack to.
"""

import gzip
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from gandlf_synth.data.formats.readers.base import UnreadableError

_BYTES = 2**16
_CHUNK = 2**20
_DIGITS = 12
_MOST_AXES = 9
_NRRD = b"NRRD"
_META_END = "elementdatafile"
_INSIDE = {"local", ""}
_TRUE = {"true", "t", "1", "yes"}
_GZIP = {"gzip", "gz"}
_SKIPS = {"byte skip", "byteskip", "line skip", "lineskip"}


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class ItkHeader:
    """The fields of a header.

    Args:
        path: the file.
        fields: by their names in lower case.
        size: bytes that the header takes.
    """

    path: Path
    fields: dict[str, str]
    size: int

    @property
    def data_file(self) -> Path | None:
        """The separate file of voxels that the header names.

        Raises:
            UnreadableError: it lies outside the header's folder, so that a header could name any file of the machine.
        """
        named = self.fields.get("elementdatafile", self.fields.get("data file", self.fields.get("datafile", "")))
        if named.lower() in _INSIDE:
            return None
        name = Path(named)
        if name.is_absolute() or ".." in name.parts:
            raise UnreadableError("names a file of voxels outside its own folder", "a file beside it")
        return self.path.parent / name

    @property
    def files(self) -> list[Path]:
        """The header and the file of voxels beside it, if there is one."""
        data = self.data_file
        return [self.path] if data is None or not os.path.isfile(data) else [self.path, data]  # noqa: PTH113

    @property
    def scale(self) -> tuple[float, float]:
        """The slope and the intercept that lead from what is stored to what is meant; MetaImage has them."""
        slope = self.fields.get("elementtointensityfunctionslope", "1")
        intercept = self.fields.get("elementtointensityfunctionoffset", "0")
        return float(slope), float(intercept)

    def check_axes(self) -> None:
        """Check the number of axes and their lengths in a MetaImage, on which ITK may end the process.

        Raises:
            UnreadableError: they are missing, implausible, or do not fit one another.
        """
        axes = self.fields.get("ndims")
        if axes is None:
            return
        lengths = self.fields.get("dimsize", "").split()
        channels = self.fields.get("elementnumberofchannels", "1")
        numbers = [axes, channels, *lengths]
        is_plain = all(number.isascii() and number.isdigit() and len(number) < _DIGITS for number in numbers)
        if not is_plain or not 1 <= int(axes) <= _MOST_AXES or int(axes) != len(lengths):
            raise UnreadableError(f"is damaged: it states {axes[:_DIGITS]!r} axes and {len(lengths)} lengths of them")

    def check_packed(self, declared: int) -> None:
        """Unpack compressed voxels to their end, which finds what is damaged.

        Args:
            declared: bytes that there must be.

        Raises:
            UnreadableError: there are more or fewer.
            OSError, EOFError, zlib.error: they are damaged.
        """
        is_meta = self.fields.get("compresseddata", "").lower() in _TRUE
        is_gzip = self.fields.get("encoding", "").lower() in _GZIP
        if not (is_meta or is_gzip) or _SKIPS & self.fields.keys():
            return
        with self._opened() as file:
            if is_meta:
                found = _length(_Inflated(file, int(self.fields.get("compresseddatasize") or 0)))
            else:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    found = _length(unpacked)
        if found != declared:
            raise UnreadableError(f"is damaged: {found:,} of {declared:,} bytes of voxels")

    def _opened(self) -> BinaryIO:
        data = self.data_file
        file = (data or self.path).open("rb")
        file.seek(self.size if data is None else 0)
        return file


class _Inflated:
    """The content of a zlib stream of ``size`` bytes, which is checked at its end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        if size < 1:
            raise UnreadableError("does not say how many bytes its compressed voxels take", "CompressedDataSize")
        self._engine, self._rest = zlib.decompressobj(), file.read(size)

    def read(self, size: int) -> bytes:
        content = self._engine.decompress(self._rest, size)
        self._rest = self._engine.unconsumed_tail
        if not content and not self._engine.eof:
            raise UnreadableError("is truncated: its compressed voxels end early")
        return content


def _length(stream: _Stream) -> int:
    total = 0
    while content := stream.read(_CHUNK):
        total += len(content)
    return total


def read_header(path: Path) -> ItkHeader:
    """Return the header of a MetaImage, which ends with the name of its data, or of a NRRD, up to an empty line."""
    with path.open("rb") as file:
        start = file.read(_BYTES)
    separator = ":" if start.startswith(_NRRD) else "="
    fields: dict[str, str] = {}
    size = 0
    for line in start.splitlines(keepends=True):
        size += len(line)
        name, found, value = line.decode("utf-8", "replace").partition(separator)
        key = name.strip().lower()
        if found:
            fields[key] = value.strip()
        if not line.strip() or key == _META_END:
            break
    return ItkHeader(path, fields, size)
