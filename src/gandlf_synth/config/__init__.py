"""The configuration: one vocabulary, validated before anything heavy is imported."""

from gandlf_synth.config.component import ByNetwork, Component, Components, Step
from gandlf_synth.config.document import Document, parse_document, read_document
from gandlf_synth.config.layers import laid_over, overridden
from gandlf_synth.config.loading import LoadedConfig, components_at, load_config, validate
from gandlf_synth.config.loggers import LoggingConfig, MLflowConfig, WandbConfig
from gandlf_synth.config.model import (
    ArchitectureConfig,
    Auto,
    LabelingParadigm,
    ModelConfig,
    Prerequisite,
    Stretch,
    resolved,
)
from gandlf_synth.config.network_size import SIZES, THIN, NetworkSize, Setting, Size, Sized
from gandlf_synth.config.phases import LoaderOptions, Phase, PhasedSteps
from gandlf_synth.config.privacy import Privacy
from gandlf_synth.config.reference import KeyDescription, describe_keys, json_schema
from gandlf_synth.config.sampling import InferenceParameters, SampleMetricsConfig, SamplingOptions
from gandlf_synth.config.schema import ComputeConfig, Config, EarlyStoppingConfig
from gandlf_synth.config.starting_point import WITHOUT_STARTING_POINT, InitFrom, Lora

__all__ = [
    "SIZES",
    "THIN",
    "WITHOUT_STARTING_POINT",
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
    "InitFrom",
    "KeyDescription",
    "LabelingParadigm",
    "LoadedConfig",
    "LoaderOptions",
    "LoggingConfig",
    "Lora",
    "MLflowConfig",
    "ModelConfig",
    "NetworkSize",
    "Phase",
    "PhasedSteps",
    "Prerequisite",
    "Privacy",
    "SampleMetricsConfig",
    "SamplingOptions",
    "Setting",
    "Size",
    "Sized",
    "Step",
    "Stretch",
    "WandbConfig",
    "components_at",
    "describe_keys",
    "json_schema",
    "laid_over",
    "load_config",
    "overridden",
    "parse_document",
    "read_document",
    "resolved",
    "validate",
]
