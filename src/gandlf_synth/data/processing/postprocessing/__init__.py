"""What is done to synthetic images before they are written, found through the entry-point group ``postprocessing``."""

from gandlf_synth.data.processing.postprocessing.base import Postprocessing, postprocessed

__all__ = ["Postprocessing", "postprocessed"]
