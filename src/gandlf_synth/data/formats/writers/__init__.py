"""Writers of image files, one module per format."""

from gandlf_synth.data.formats.writers.base import Writer
from gandlf_synth.data.formats.writers.choice import choose_writer, read_provenance, writer_of

__all__ = ["Writer", "choose_writer", "read_provenance", "writer_of"]
