"""The perceptual term of a loss: which network compares two images, in the words of the configuration."""

from dataclasses import replace
from pathlib import Path

from gandlf_synth.errors import ConfigError, Problem, option
from gandlf_synth.metrics.extractors import build_extractor
from gandlf_synth.metrics.perceptual import PerceptualDistance

_KNOWN = "efficientnet-lite0 and radimagenet-resnet50 for planes, medicalnet for volumes"


def build_perceptual(name: str, weights: Path | None, spatial_dims: int) -> PerceptualDistance:
    """Return the distance by the feature extractor ``name`` of the registry.

    Args:
        name: such as ``efficientnet-lite0``.
        weights: the file of weights, for those that have none of their own.
        spatial_dims: of the images.

    Raises:
        ConfigError: the name is unknown, its weights are missing or of another network, or it does not suit the images.
        MissingExtraError: the package with the weights is not installed.
    """
    where = "model_config.perceptual_network"
    try:
        extractor = build_extractor(name, weights)
    except ConfigError as error:
        raise ConfigError(*(_in_configuration(problem, where) for problem in error.problems)) from error
    if not extractor.layers:
        raise ConfigError(Problem(where, f"{name} gives features of whole images, without layers to compare", _KNOWN))
    if spatial_dims < extractor.spatial_dims:
        raise ConfigError(Problem(where, f"{name} looks at volumes and the images are 2D", _KNOWN))
    return PerceptualDistance(extractor, spatial_dims)


def _in_configuration(problem: Problem, network: str) -> Problem:
    """Return ``problem`` in words of the configuration instead of the command line."""
    where, fix = (
        text.replace(option("extractor_weights"), "model_config.perceptual_weights")
        for text in (problem.where, problem.fix)
    )
    return replace(problem, where=network if where == problem.where else where, fix=fix)
