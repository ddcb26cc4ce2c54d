"""Readers of image files, one module per format."""

from gandlf_synth.data.formats.readers.base import (
    Reader,
    UnreadableError,
    is_readable,
    read_image,
    readable_suffixes,
    source_files,
)

__all__ = ["Reader", "UnreadableError", "is_readable", "read_image", "readable_suffixes", "source_files"]
