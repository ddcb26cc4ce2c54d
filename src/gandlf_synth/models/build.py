"""From a configuration to an untrained model."""

from collections.abc import Mapping

from gandlf_synth import registry
from gandlf_synth.config import ModelConfig
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.family import ModelFamily
from gandlf_synth.models.trained_weights import choose_trained_weights
from gandlf_synth.networks.small_images import guard_small_images


def build_module(model_config: ModelConfig | Mapping[str, object], spec: DataSpec) -> GenerativeModule:
    """Return an untrained model; its weights are drawn from torch's generator.

    Args:
        model_config: a resolved ``model_config`` section: validated, or as plain values.
        spec: the data.

    Raises:
        ConfigError: no model family has the name, or ``freeze`` or ``lora`` do not go with its networks.
        ValidationError: plain values that the family does not take.
    """
    if isinstance(model_config, ModelConfig):
        family: ModelFamily = registry.load("models", model_config.model_name)
    else:
        family = registry.load("models", str(model_config["model_name"]))
        model_config = family.config_class().model_validate(model_config)
    module_class: type[GenerativeModule] = family.module_class()
    module = module_class(model_config, spec)
    guard_small_images(module)
    choose_trained_weights(module)
    return module
