"""Readers of image files, one module per format."""

from gandlf_synth.data.formats.readers.base import Reader, UnreadableError
from gandlf_synth.data.formats.readers.cell import (
    MARK,
    exists,
    is_image_folder,
    is_readable,
    locate,
    read_image,
    readable_in_words,
    readable_suffixes,
    reader_and_files,
    source_files,
)

__all__ = [
    "MARK",
    "Reader",
    "UnreadableError",
    "exists",
    "is_image_folder",
    "is_readable",
    "locate",
    "read_image",
    "readable_in_words",
    "readable_suffixes",
    "reader_and_files",
    "source_files",
]
