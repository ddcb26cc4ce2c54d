"""The conformance kit of augmentations: random changes of training images."""

import pickle
from collections.abc import Mapping

import torch
from torch import Tensor

from gandlf_synth import registry
from gandlf_synth.config import Step
from gandlf_synth.data.processing.augmenter import Augmenter
from gandlf_synth.data.processing.base import Augmentation
from gandlf_synth.testing.promises import Promises, checked_step, seen_unless

_SHAPE = (18, 16, 12)
_SEEDS = range(6)
_ROUNDING = 1e-5


def check_augmentation(name: str, parameters: object = None, *, spatial_dims: int = 3, num_channels: int = 1) -> None:
    """Check a registered augmentation.

    Args:
        name: the registered name.
        parameters: as in the YAML; absent: its defaults.
        spatial_dims: of the images that it is tried on, 2 or 3.
        num_channels: of the images that it is tried on.

    Raises:
        ConfigError: the name or a parameter is wrong.
        PluginError: every promise that the augmentation breaks.

    Example:
        >>> check_augmentation("flip", 0, spatial_dims=2)
    """
    checked_step("augmentations", name, parameters)
    component: type[Augmentation] = registry.load("augmentations", name)
    written = component.model_validate(parameters).model_dump(mode="json", exclude_unset=True)
    step = Step(name=name, parameters={**written, "probability": 1.0})
    image = _image(spatial_dims, num_channels)
    promises = Promises(f"augmentations.{name}, {spatial_dims}D")
    promises.add("its parameters can be written and read again", _parameters_round_trip, component, parameters)
    promises.add("it keeps the shape, and values within [-1, 1]", _keeps_shape, step, image)
    promises.add("the same seed gives the same image, whatever torch's own generator holds", _same_seed, step, image)
    promises.add("it changes images", _changes, step, image)
    promises.add("the image that it is given stays as it is", _original_stays, step, image)
    promises.add("torch's own generator stays as it is", _generator_stays, step, image)
    promises.add("with a probability of 0 it does nothing", _can_be_off, step, image)
    promises.add("it works in another process", _can_be_sent, step, image)
    promises.check()


def _image(spatial_dims: int, num_channels: int) -> Tensor:
    """Return an image with a bright body off its centre, on a background of -1."""
    axes = torch.meshgrid(*(torch.linspace(-1, 1, length) for length in _SHAPE[:spatial_dims]), indexing="ij")
    distance = torch.stack([(axis - 0.1 * place).square() for place, axis in enumerate(axes, 1)]).sum(0).sqrt()
    noise = torch.rand(num_channels, *distance.shape, generator=torch.Generator().manual_seed(0))
    return torch.where(distance < 0.9, 0.5 * noise + 0.3 * axes[0], torch.tensor(-1.0)).contiguous()


def _augmented(step: Step, image: Tensor, seed: int) -> Tensor:
    return Augmenter([step], image.ndim - 1)(image.clone(), seed)


def _parameters_round_trip(component: type[Augmentation], parameters: object) -> str:
    augmentation = component.model_validate(parameters)
    again = component.model_validate(augmentation.model_dump(mode="json", exclude_unset=True))
    return seen_unless(again == augmentation, again)


def _keeps_shape(step: Step, image: Tensor) -> str:
    for seed in _SEEDS:
        result = _augmented(step, image, seed)
        kept = result.shape == image.shape and result.dtype == image.dtype
        if not kept or not bool((result.abs() <= 1).all()):
            return seen_unless(False, f"{result.dtype} {tuple(result.shape)} up to {float(result.abs().max())}")
    return ""


def _same_seed(step: Step, image: Tensor) -> str:
    torch.manual_seed(1)
    first = _augmented(step, image, 3)
    torch.manual_seed(2)
    return seen_unless(torch.equal(first, _augmented(step, image, 3)), "another image")


def _changes(step: Step, image: Tensor) -> str:
    changes = [float((_augmented(step, image, seed) - image).abs().max()) for seed in _SEEDS]
    return seen_unless(max(changes) > _ROUNDING, f"the image itself for {len(changes)} seeds")


def _original_stays(step: Step, image: Tensor) -> str:
    given = image.clone()
    Augmenter([step], image.ndim - 1)(given, 3)
    return seen_unless(torch.equal(given, image), "a changed original")


def _generator_stays(step: Step, image: Tensor) -> str:
    before = torch.get_rng_state()
    _augmented(step, image, 3)
    return seen_unless(torch.equal(before, torch.get_rng_state()), "another state")


def _can_be_off(step: Step, image: Tensor) -> str:
    parameters = step.parameters if isinstance(step.parameters, Mapping) else {}
    off = Step(name=step.name, parameters={**parameters, "probability": 0.0})
    return seen_unless(torch.equal(_augmented(off, image, 3), image), "a changed image")


def _can_be_sent(step: Step, image: Tensor) -> str:
    augmenter = Augmenter([step], image.ndim - 1)
    sent: Augmenter = pickle.loads(pickle.dumps(augmenter))  # noqa: S301
    return seen_unless(torch.equal(sent(image, 3), augmenter(image, 3)), "another image")
