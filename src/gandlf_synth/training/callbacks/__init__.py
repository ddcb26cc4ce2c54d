"""What happens during training besides the steps of the model."""

from gandlf_synth.training.callbacks.budget import TimeBudget
from gandlf_synth.training.callbacks.ema import ExponentialMovingAverage
from gandlf_synth.training.callbacks.finite import FiniteSteps
from gandlf_synth.training.callbacks.grid import SampleGrid
from gandlf_synth.training.callbacks.health import HealthMonitor
from gandlf_synth.training.callbacks.interruption import Interruption
from gandlf_synth.training.callbacks.progress import RunProgress
from gandlf_synth.training.callbacks.reconstruction_metrics import ReconstructionMetrics
from gandlf_synth.training.callbacks.sample_metrics import SampleMetrics
from gandlf_synth.training.callbacks.seeding import StepSeeds

__all__ = [
    "ExponentialMovingAverage",
    "FiniteSteps",
    "HealthMonitor",
    "Interruption",
    "ReconstructionMetrics",
    "RunProgress",
    "SampleGrid",
    "SampleMetrics",
    "StepSeeds",
    "TimeBudget",
]
