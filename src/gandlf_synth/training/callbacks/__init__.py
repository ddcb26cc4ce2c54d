"""What happens during training besides the steps of the model."""

from gandlf_synth.training.callbacks.averaging import ExponentialMovingAverage
from gandlf_synth.training.callbacks.closing import ClosingTime
from gandlf_synth.training.callbacks.finite_steps import FiniteSteps
from gandlf_synth.training.callbacks.graphs import cuda_graphs
from gandlf_synth.training.callbacks.grid import SampleGrid
from gandlf_synth.training.callbacks.pace import PaceCheck
from gandlf_synth.training.callbacks.power_averages import PowerAverages
from gandlf_synth.training.callbacks.rate_schedule import RateSchedule
from gandlf_synth.training.callbacks.reconstruction_metrics import ReconstructionMetrics
from gandlf_synth.training.callbacks.reports import HealthMonitor, RunProgress
from gandlf_synth.training.callbacks.resumption import Resumption
from gandlf_synth.training.callbacks.sample_metrics import SampleMetrics
from gandlf_synth.training.callbacks.shared_weights import SharedWeights
from gandlf_synth.training.callbacks.steps import StepSeeds
from gandlf_synth.training.callbacks.stopping import Interruption, TimeBudget

__all__ = [
    "ClosingTime",
    "ExponentialMovingAverage",
    "FiniteSteps",
    "HealthMonitor",
    "Interruption",
    "PaceCheck",
    "PowerAverages",
    "RateSchedule",
    "ReconstructionMetrics",
    "Resumption",
    "RunProgress",
    "SampleGrid",
    "SampleMetrics",
    "SharedWeights",
    "StepSeeds",
    "TimeBudget",
    "cuda_graphs",
]
