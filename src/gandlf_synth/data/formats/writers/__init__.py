"""Writers of image files, one module per format."""

from gandlf_synth.data.formats.writers.base import Writer, read_provenance

__all__ = ["Writer", "read_provenance"]
