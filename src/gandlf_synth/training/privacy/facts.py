"""What a private model knows of its images besides weights: what is public, from its parent or the configuration."""

from collections.abc import Iterator

import numpy as np

from gandlf_synth.config import Config
from gandlf_synth.config.component import steps_as_written
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.value_range import ValueRange
from gandlf_synth.errors import ConfigError, DataError, Problem, raise_if_any
from gandlf_synth.pretrained.parent import Parent
from gandlf_synth.training.data import TrainingData

_SAME = ("spatial_dims", "num_channels", "shape", "paradigm", "column_channels", "source_channels")
"""What must be as with the parent, since networks are made for it."""


def with_public_facts(data: TrainingData, config: Config, parent: Parent | None) -> TrainingData:
    """Return the data with nothing in what the model keeps of it that was computed from its images.

    Ranges of values, voxel sizes, classes and the statistics of conditions are the parent's, or given.

    Args:
        data: prepared.
        config: the resolved configuration.
        parent: the trained model that the run starts from.

    Raises:
        ConfigError: something would have to be computed from the images.
        DataError: the images are not what the parent knows.
    """
    budget = config.privacy
    if budget is None:
        return data
    if parent is not None and parent.spec is not None and budget.value_range is None:
        return _as_parent(data, config, parent, parent.spec)
    if budget.value_range is None or budget.spacing is None or data.spec.labels or data.spec.conditions:
        what = (
            "range of values, voxel size, classes and conditions would be computed from the images and go with the "
            "model without noise: the model to start from does not say what they were"
        )
        fix = "start from a model folder or an export of this program, or give value_range and spacing, without classes"
        raise ConfigError(Problem("privacy", what, fix=fix))
    return _as_given(data, budget.value_range, budget.spacing)


def _as_parent(data: TrainingData, config: Config, parent: Parent, known: DataSpec) -> TrainingData:
    if parent.preprocessing is None:
        what = f"of {parent.name} is not known, so that its range of values means nothing here"
        raise ConfigError(Problem("data_preprocessing", what, fix="give privacy.value_range and privacy.spacing"))
    theirs, own = (
        steps_as_written(phases.of("train") or []) for phases in (parent.preprocessing, config.data_preprocessing)
    )
    if theirs != own:
        what = (
            f"is not that of {parent.name}, so that a range of values would be computed from the images, without noise"
        )
        fix = "leave it out, so that it is the parent's, or give privacy.value_range and privacy.spacing"
        raise ConfigError(Problem("data_preprocessing", what, fix=fix))
    raise_if_any(list(_differences(data.spec, known, parent.name)), DataError)
    return data.as_known(known)


def _differences(own: DataSpec, known: DataSpec, name: str) -> Iterator[Problem]:
    for key in _SAME:
        if getattr(own, key) != getattr(known, key):
            what = f"have {key} = {getattr(own, key)}, and those of {name} {getattr(known, key)}"
            yield Problem("the images", what, fix="start from a model of such images")
    classes = dict(zip(known.labels, known.class_names, strict=True))
    for label, class_name in zip(own.labels, own.class_names, strict=True):
        if classes.get(label) != class_name:
            what = f"has the class {class_name} (label {label}), which {name} does not know under this label"
            fix = "a list of classes cannot be learned without telling who is in it: use the classes of that model"
            yield Problem("the CSV", what, ", ".join(f"{key}: {each}" for key, each in classes.items()), fix)
    conditions = [[(part.name, part.conditioner, part.kind) for part in spec.conditions] for spec in (own, known)]
    if conditions[0] != conditions[1]:
        what = f"are {[each[0] for each in conditions[0]]}, and those of {name} {[each[0] for each in conditions[1]]}"
        fix = "the range of a condition cannot be learned without telling of the rows: use those of that model"
        yield Problem("model_config.conditioning", what, fix=fix)


def _as_given(data: TrainingData, ends: tuple[float, float], spacing: list[float]) -> TrainingData:
    low, high = ends
    spec, scale = data.spec, 2 / (high - low)
    if low >= high:
        raise ConfigError(Problem("privacy.value_range", f"is {list(ends)}", "the lower value first"))
    if len(spacing) != spec.spatial_dims:
        what = f"has {len(spacing)} numbers, and the images have {spec.spatial_dims} axes"
        raise ConfigError(Problem("privacy.spacing", what))
    affine = np.diag([*spacing, *[1.0] * (4 - len(spacing))])
    count = spec.num_channels
    given = {
        "affine": tuple(tuple(row) for row in affine.tolist()),
        "low": (low,) * count,
        "high": (high,) * count,
        "range_scale": (scale,) * count,
        "range_offset": (-1 - low * scale,) * count,
    }
    known = spec.model_copy(update=given)
    return TrainingData(data.manifests, data.samples, ValueRange.of(known), known)
