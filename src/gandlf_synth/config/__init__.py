"""The configuration: one vocabulary, validated before anything heavy is imported."""

from gandlf_synth.config.component import ByNetwork, Component, Components, Step
from gandlf_synth.config.document import Document, merged, parse_document, read_document
from gandlf_synth.config.loading import LoadedConfig, components_at, load_config, validate
from gandlf_synth.config.model import ArchitectureConfig, Auto, LabelingParadigm, ModelConfig
from gandlf_synth.config.phases import LoaderOptions, Phase, PhasedSteps
from gandlf_synth.config.schema import ComputeConfig, Config, EarlyStoppingConfig, InferenceParameters

__all__ = [
    "ArchitectureConfig",
    "Auto",
    "ByNetwork",
    "Component",
    "Components",
    "ComputeConfig",
    "Config",
    "Document",
    "EarlyStoppingConfig",
    "InferenceParameters",
    "LabelingParadigm",
    "LoadedConfig",
    "LoaderOptions",
    "ModelConfig",
    "Phase",
    "PhasedSteps",
    "Step",
    "components_at",
    "load_config",
    "merged",
    "parse_document",
    "read_document",
    "validate",
]
