"""Errors of networks in the words of the YAML."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from gandlf_synth.errors import ConfigError


@contextmanager
def name_yaml_keys(keys: Mapping[str, str]) -> Iterator[None]:
    """Let a ``ConfigError`` that names a network's argument name the key of the YAML instead.

    Args:
        keys: the key by the name of the argument.

    Example:
        >>> from gandlf_synth.errors import Problem
        >>> try:
        ...     with name_yaml_keys({"num_layers": "model_config.architecture.num_layers"}):
        ...         raise ConfigError(Problem("num_layers", "is 9", allowed="1 to 3"))
        ... except ConfigError as error:
        ...     print(error)
        model_config.architecture.num_layers: is 9; allowed: 1 to 3
    """
    try:
        yield
    except ConfigError as error:
        problems = (replace(problem, where=keys.get(problem.where, problem.where)) for problem in error.problems)
        raise ConfigError(*problems) from error
