"""GaNDLF's transforms of images, which are TorchIO's or callables that make them."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torchio
from numpy.typing import NDArray
from pydantic import ConfigDict, model_validator

from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.processing.base import Augmentation, Postprocessing, Shape, Transform, TransformError
from gandlf_synth.data.processing.postprocessing import Values
from gandlf_synth.geometry import Geometry, Voxels

_OPEN = ConfigDict(extra="allow", frozen=True)
_AXES = 3
_NORMALIZING = ("normalize", "rescale")
"""How the names of GaNDLF's steps that bring values to a common range begin."""
_GANDLF_DEFAULTS: dict[str, Any] = {
    "degrees": 10, "translation": 10, "num_transforms": 2, "interpolation": "linear", "scales": 0.1,
    "num_control_points": 7, "max_displacement": 0.1, "locked_borders": 2, "patch_size": 15, "num_iterations": 100,
    "coefficients": 0.5, "order": 3, "std": [0, 1], "mean": 0, "log_gamma": [-0.3, 0.3], "axes_to_flip": [0, 1, 2],
    "axis": [0, 1, 2], "downsampling": 1.5,
}  # fmt: skip
"""What GaNDLF's reader of configurations fills in where a user leaves a parameter of an augmentation out."""


class _Preprocessing(Transform):
    model_config = _OPEN
    value: Any = None

    @model_validator(mode="before")
    @classmethod
    def _from_written(cls, value: Any) -> Any:
        return value if isinstance(value, Mapping) else {"value": value}

    def entry(self) -> Any:
        raise NotImplementedError

    def __call__(self, image: Image) -> Image:
        try:
            return _transformed(image, _build_transform(self.entry(), self.value, self.model_extra or {}))
        except (RuntimeError, ValueError, TypeError, KeyError) as error:
            raise TransformError(f"GaNDLF refuses it: {type(error).__name__}: {error}") from error


def preprocessing(name: str, entry: Any) -> type[Transform]:
    """Return GaNDLF's preprocessing step as one of ours."""
    attributes = {"entry": lambda _: entry, "normalizes": name.startswith(_NORMALIZING), "__annotations__": {}}
    return type(f"Gandlf_{name}", (_Preprocessing,), attributes)


def _build_transform(entry: Any, value: Any, more: Mapping[str, Any]) -> Callable[[Any], Any]:
    """Return the transform: the entry itself, or what it makes of the parameters."""
    parameters = dict(more) or value
    transform: Callable[[Any], Any] = entry
    if isinstance(entry, type) and isinstance(parameters, dict):
        transform = entry(**parameters)
    elif not isinstance(entry, torchio.Transform):
        takes_nothing = not inspect.signature(entry).parameters or (parameters is None and _has_default(entry))
        transform = entry() if takes_nothing else entry(parameters)
    return transform


def _has_default(entry: Any) -> bool:
    first = next(iter(inspect.signature(entry).parameters.values()))
    return first.default is not first.empty


def _transformed(image: Image, transform: Callable[[Any], Any]) -> Image:
    dims = image.geometry.spatial_dims
    affine = np.eye(4) if dims < _AXES else image.geometry.affine
    subject = torchio.Subject(image=torchio.ScalarImage(tensor=_volume(image.array, dims), affine=affine))
    for name, labels in (("mask", image.mask), ("region", image.region)):
        if labels is not None:
            subject.add_image(torchio.LabelMap(tensor=_volume(labels[None], dims), affine=affine), name)
    changed = transform(subject)
    array = changed["image"].numpy().astype(np.float32)
    array = array if dims == _AXES else array[..., 0]
    if array.shape == image.array.shape and np.allclose(changed["image"].affine, affine):
        return _linear_part_on_record(image, array)
    placed = changed["image"].affine if dims == _AXES else image.geometry.affine @ changed["image"].affine
    grid = Geometry(array.shape[1:], placed, image.geometry.physical)
    mask, region = (_labels(changed, name, dims) for name in ("mask", "region"))
    return replace(image, array=array, geometry=grid, mask=mask, region=region)


def _volume(array: Voxels, dims: int) -> torch.Tensor:
    whole = array if dims == _AXES else array[..., None]
    return torch.from_numpy(np.ascontiguousarray(whole, np.float32))


def _labels(subject: Any, name: str, dims: int) -> NDArray[np.int32] | None:
    if name not in subject:
        return None
    labels: NDArray[np.int32] = subject[name].numpy()[0].astype(np.int32)
    return labels if dims == _AXES else labels[..., 0]


def _linear_part_on_record(image: Image, array: NDArray[np.float32]) -> Image:
    """Return ``image`` with the values of ``array``; the straight line nearest to the change is what export undoes."""
    scales, offsets = [], []
    for before, after in zip(image.array, array, strict=True):
        flat = float(before.std()) < 1e-12
        slope, intercept = (1.0, 0.0) if flat else np.polyfit(before.ravel(), after.ravel(), 1)
        usable = abs(slope) > 1e-12
        scales.append(slope if usable else 1.0)
        offsets.append(intercept if usable else 0.0)
    return image.rescaled(np.array(scales), np.array(offsets)).with_values(array)


class _Augmentation(Augmentation):
    model_config = _OPEN

    def entry(self) -> Any:
        raise NotImplementedError

    def build(self, shape: Shape) -> torchio.Transform:
        parameters = {**_GANDLF_DEFAULTS, **(self.model_extra or {}), "probability": 1.0}
        transform: torchio.Transform = self.entry()(parameters)
        return transform


def augmentation(name: str, entry: Any) -> type[Augmentation]:
    """Return GaNDLF's augmentation as one of ours; it acts with our ``probability``."""
    return type(f"Gandlf_{name}", (_Augmentation,), {"entry": lambda _: entry, "__annotations__": {}})


def postprocessing(name: str, entry: Any) -> type[Postprocessing]:
    """Return GaNDLF's postprocessing step as one of ours, channel by channel."""

    class Step(Postprocessing):
        model_config = _OPEN

        def __call__(self, channel: Values) -> Values:
            tensor = torch.from_numpy(np.ascontiguousarray(channel))
            tensor = tensor[None, None] if name == "morphology" else tensor  # it alone wants batch and channel
            accepted = inspect.signature(entry).parameters
            more = {"params": self.model_extra or {}} if "params" in accepted else dict(self.model_extra or {})
            changed: Values = np.asarray(entry(tensor, **more), dtype=np.float64).reshape(channel.shape)
            return changed

    Step.__name__ = f"Gandlf_{name}"
    return Step
