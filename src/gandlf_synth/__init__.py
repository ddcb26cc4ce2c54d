"""Generative models of medical images: train, generate, reconstruct.

``from gandlf_synth import train, TrainingRequest`` and so on; names are loaded when they are used, torch with them.
"""

from importlib import import_module
from typing import Any

_PLACES = {
    "train": "gandlf_synth.api",
    "generate": "gandlf_synth.api",
    "reconstruct": "gandlf_synth.api",
    "evaluate": "gandlf_synth.api",
    "evaluate_paired": "gandlf_synth.api",
    "sweep_sampler": "gandlf_synth.api",
    "check": "gandlf_synth.api",
    "construct_csv": "gandlf_synth.api",
    "load_model": "gandlf_synth.api",
    "GenerationRequest": "gandlf_synth.api",
    "ReconstructionRequest": "gandlf_synth.api",
    "SweepRequest": "gandlf_synth.api",
    "EvaluationRequest": "gandlf_synth.evaluation.request",
    "PairedRequest": "gandlf_synth.evaluation.paired.request",
    "TrainingRequest": "gandlf_synth.training.request",
    "SyntheticDataset": "gandlf_synth.synthesis.dataset",
    "export_model": "gandlf_synth.api",
}

__all__ = list(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        msg = f"module 'gandlf_synth' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
