"""Finds the writer of a format: by its name, by what the data is, or by the ending of a file."""

import json
from pathlib import Path

from pydantic import JsonValue

from gandlf_synth import registry
from gandlf_synth.data.formats.writers.base import Modality, Writer
from gandlf_synth.errors import ConfigError, Problem, listing
from gandlf_synth.geometry import Geometry

AUTO = "auto"
_WHERE = "inference_parameters.output_format"


def choose_writer(
    name: str,
    modality: Modality,
    spatial_dims: int,
    number_type: str,
    *,
    exact: bool = False,
    grid: Geometry | None = None,
) -> Writer:
    """Return the writer that is registered as ``name``; ``auto`` takes one that suits the modality.

    Args:
        name: a registered name or ``auto``.
        modality: of the data.
        spatial_dims: 2 or 3.
        number_type: of the data, such as ``"int16"``.
        exact: whether the values must be those of the data, and no picture of them.
        grid: of the images; None where each has its own.

    Raises:
        ConfigError: no writer has that name, or it cannot hold such images.
        MissingExtraError: it needs a package that is not installed.

    Example:
        >>> choose_writer("auto", "rad", 3, "int16").suffix
        '.nii.gz'
    """
    writers = _writers()
    if name.lower() == AUTO:
        usable = [writer for writer in writers.values() if writer.suits and spatial_dims in writer.spatial_dims]
        return next((writer for writer in usable if modality in writer.suits), usable[0])
    problem = registry.unknown_name("writers", name, _WHERE)
    if problem:
        raise ConfigError(problem)
    writer = writers[name.lower()]
    if writer.missing_extra:
        raise writer.missing_extra
    if spatial_dims not in writer.spatial_dims:
        able = listing(other for other, candidate in writers.items() if spatial_dims in candidate.spatial_dims)
        images = "volumes" if spatial_dims == 3 else "pictures"
        raise ConfigError(Problem(_WHERE, f"{name!r} cannot hold {images}", able))
    if exact and writer.lossy:
        able = listing(other for other, candidate in writers.items() if not candidate.lossy)
        raise ConfigError(Problem(_WHERE, f"{name!r} cannot hold values as they are: it has losses", able))
    if not writer.holds(number_type) and (exact or not writer.as_pictures):
        able = listing(other for other, candidate in writers.items() if candidate.holds(number_type))
        raise ConfigError(Problem(_WHERE, f"{name!r} cannot hold values of type {number_type}", able))
    if grid is not None and (reason := writer.refusal(grid)):
        holding = [other for other, candidate in writers.items() if spatial_dims in candidate.spatial_dims]
        fits = listing(other for other in holding if not writers[other].refusal(grid))
        raise ConfigError(Problem("the grid of the images", reason, fits, "choose another output format"))
    return writer


def read_provenance(path: Path) -> dict[str, JsonValue] | None:
    """Return the provenance inside a file that a registered writer wrote, or None when it has none."""
    for writer in _writers().values():
        if writer.could_have_written(path):
            try:
                content = json.loads(writer.embedded_text(path) or "")
            except ValueError:
                continue
            if isinstance(content, dict):
                return content
    return None


def writer_of(path: Path) -> Writer | None:
    """Return the writer of a file or folder by its name, None where no format has such."""
    return next((writer for writer in _writers().values() if writer.could_have_written(path)), None)


def _writers() -> dict[str, Writer]:
    return {name: registry.load("writers", name)() for name in registry.names("writers")}
