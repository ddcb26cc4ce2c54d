"""Colors that were lost or added: gray images among colored ones."""

import numpy as np

from gandlf_synth.evaluation.causes.appearance import Planes, middle_planes
from gandlf_synth.evaluation.causes.cause import FIDELITY, VARIETY, Cause
from gandlf_synth.metrics.image_set import ImageSets

_RGB = 3
_SEEN = 0.02
"""Mean difference of the channels, as a share of the range, from which an image has colors."""
_MOST, _FEW = 0.9, 0.1


def find_other_colors(sets: ImageSets) -> list[Cause]:
    """Return whether the synthetic images are gray where real ones have colors, or the reverse, as one cause."""
    real, synthetic = (
        _share_colored(middle_planes(part, np.arange(len(part)))) for part in (sets.real, sets.synthetic)
    )
    if real >= _MOST and synthetic <= _FEW:
        sentence = "images are gray where real ones have colors"
    elif real <= _FEW and synthetic >= _MOST:
        sentence = "images have colors where real ones are gray"
    else:
        return []
    return [
        Cause(
            name="colors", question="faithful", outcome="bad", sentence=sentence, strength=abs(real - synthetic),
            limit=_MOST - _FEW, explains=(*FIDELITY, *VARIETY),
        )
    ]  # fmt: skip


def _share_colored(planes: Planes) -> float:
    if planes.shape[2] != _RGB:
        return 0.0
    colors = (planes.max(axis=2) - planes.min(axis=2)).reshape(len(planes), -1).mean(axis=1)
    return float((colors > _SEEN).mean())
