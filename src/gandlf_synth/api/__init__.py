"""Everything that the command line does, as functions: validated input in, typed results out.

Errors are those of ``gandlf_synth.errors``. Heavy packages are imported when a function is called.
"""

from gandlf_synth.api.averages import AverageRequest, choose_average, keep_average
from gandlf_synth.api.evaluation import (
    EvaluationResult,
    SweepRequest,
    compare,
    evaluate,
    evaluate_paired,
    report,
    sweep_sampler,
)
from gandlf_synth.api.models import export_model, load_model, provenance_of, verify_images
from gandlf_synth.api.reconstruction import ReconstructionRequest, reconstruct
from gandlf_synth.api.synthesis import GenerationPlan, GenerationRequest, ModelLoader, generate, plan_generation
from gandlf_synth.api.training import (
    check,
    construct_csv,
    installation,
    plan_training,
    prepare,
    preview,
    train,
    verify_install,
)

__all__ = [
    "AverageRequest",
    "EvaluationResult",
    "GenerationPlan",
    "GenerationRequest",
    "ModelLoader",
    "ReconstructionRequest",
    "SweepRequest",
    "check",
    "choose_average",
    "compare",
    "construct_csv",
    "evaluate",
    "evaluate_paired",
    "export_model",
    "generate",
    "installation",
    "keep_average",
    "load_model",
    "plan_generation",
    "plan_training",
    "prepare",
    "preview",
    "provenance_of",
    "reconstruct",
    "report",
    "sweep_sampler",
    "train",
    "verify_images",
    "verify_install",
]
