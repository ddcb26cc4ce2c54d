"""Networks that turn images into features; one file each, by the entry-point group ``feature_extractors``."""

from gandlf_synth.metrics.extractors.base import Extractor, build_extractor

__all__ = ["Extractor", "build_extractor"]
