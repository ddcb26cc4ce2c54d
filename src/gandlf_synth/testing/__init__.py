"""What every component promises, checked; for the authors of plugins as for our own tests.

There is one checker per group of components. Each tries every promise and raises a ``PluginError`` that lists all that
are broken:

    >>> check_loss("mse")
"""

from gandlf_synth.testing.augmentations import check_augmentation
from gandlf_synth.testing.causes import check_cause
from gandlf_synth.testing.conditioners import check_conditioner
from gandlf_synth.testing.denoisers import check_denoiser
from gandlf_synth.testing.diffusion import check_noise_schedule, check_sampler
from gandlf_synth.testing.feature_extractors import check_feature_extractor
from gandlf_synth.testing.losses import check_loss
from gandlf_synth.testing.models import check_model
from gandlf_synth.testing.optimization import check_optimizer, check_scheduler
from gandlf_synth.testing.paired_metrics import check_paired_metric
from gandlf_synth.testing.postprocessing import check_postprocessing
from gandlf_synth.testing.preprocessing import check_preprocessing
from gandlf_synth.testing.readers import check_reader
from gandlf_synth.testing.set_metrics import check_set_metric
from gandlf_synth.testing.synthetic_data import synthetic_condition, synthetic_data, synthetic_spec, with_conditions
from gandlf_synth.testing.weight_adapters import check_weight_adapter
from gandlf_synth.testing.writers import check_writer

__all__ = [
    "check_augmentation",
    "check_cause",
    "check_conditioner",
    "check_denoiser",
    "check_feature_extractor",
    "check_loss",
    "check_model",
    "check_noise_schedule",
    "check_optimizer",
    "check_paired_metric",
    "check_postprocessing",
    "check_preprocessing",
    "check_reader",
    "check_sampler",
    "check_scheduler",
    "check_set_metric",
    "check_weight_adapter",
    "check_writer",
    "synthetic_condition",
    "synthetic_data",
    "synthetic_spec",
    "with_conditions",
]
