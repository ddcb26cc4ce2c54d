"""Deterministic preprocessing steps, found through the entry-point group ``preprocessing``."""

from gandlf_synth.data.processing.transforms.base import Transform, TransformError

__all__ = ["Transform", "TransformError"]
