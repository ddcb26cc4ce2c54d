"""What happens during training besides the steps of the model."""

from gandlf_synth.training.callbacks.budget import TimeBudget
from gandlf_synth.training.callbacks.ema import ExponentialMovingAverage
from gandlf_synth.training.callbacks.grid import SampleGrid
from gandlf_synth.training.callbacks.health import HealthMonitor
from gandlf_synth.training.callbacks.progress import RunProgress
from gandlf_synth.training.callbacks.seeding import StepSeeds

__all__ = ["ExponentialMovingAverage", "HealthMonitor", "RunProgress", "SampleGrid", "StepSeeds", "TimeBudget"]
