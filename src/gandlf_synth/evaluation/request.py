"""What to evaluate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gandlf_synth.files import TakesPaths

Intensity = Literal["auto", "common", "per-image"]
"""Values to [0, 1]: by one window for all images, or by each image's own 0.5th and 99.5th percentile."""


@dataclass(frozen=True)
class EvaluationRequest(TakesPaths):
    """Two sets of images and how to compare them.

    Args:
        real: a CSV or a folder of real images, best of subjects that the model was not trained on.
        synthetic: a CSV or a folder of synthetic images.
        output_dir: where ``report.html``, ``metrics.json``, ``images.csv`` and ``arrays.npz`` go.
        train: CSV or folder of the images that the model was trained on; decides about copies.
        model_dir: the model folder, for training curves and the run record.
        extractor: the feature extractor, or a TorchScript file.
        extractor_weights: its weights, where it has none of its own.
        allow_download: let the extractor fetch its weights.
        intensity: how values are brought to [0, 1].
        max_size: the longest side, in pixels, at which images are compared.
        slices: per orthogonal direction of a volume.
        skip_unreadable: leave out, and say so, what cannot be read, instead of stopping.
        seed: of subsampling, bootstrap and classifiers.
        thresholds: those of the verdicts that differ from the defaults, such as ``{"kid_good": 0.05}``.
        command: the call, for the record.
    """

    real: Path
    synthetic: Path
    output_dir: Path
    train: Path | None = None
    model_dir: Path | None = None
    extractor: str = "efficientnet-lite0"
    extractor_weights: Path | None = None
    allow_download: bool = False
    intensity: Intensity = "auto"
    max_size: int = 256
    slices: int = 5
    skip_unreadable: bool = False
    seed: int = 0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    command: str = ""
