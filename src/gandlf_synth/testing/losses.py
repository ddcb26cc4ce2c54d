"""The conformance kit of losses."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gandlf_synth.config import Component
from gandlf_synth.config.signature import factory_of, parameter_model
from gandlf_synth.losses import build_loss
from gandlf_synth.losses.adversarial import AdversarialLoss
from gandlf_synth.testing.promises import Promises, checked_component, seen_unless

_SHAPES = ((4, 2, 6, 5), (2, 2, 4, 3, 5))


def check_loss(name: str, parameters: Mapping[str, object] | None = None) -> None:
    """Check a registered loss.

    Args:
        name: the registered name.
        parameters: as in the YAML; absent: its defaults.

    Raises:
        ConfigError: the name or a parameter is wrong.
        PluginError: every promise that the loss breaks.

    Example:
        >>> check_loss("mse")
    """
    component = checked_component("losses", name, parameters)
    where = f"losses.{name}"
    promises = Promises(where)
    promises.add("it returns one finite number for images in 2D and 3D", _one_number, component, where)
    promises.add("the same arguments give the same number, and are not changed", _repeatable, component, where)
    promises.add("a small step of the output against the gradient makes it smaller", _descends, component, where)
    promises.add("its gradient is finite under bf16 autocast", _bf16, component, where)
    if "reduction" in parameter_model(factory_of("losses", component, where)).model_fields:
        promises.add("reduction none, mean and sum agree", _reductions, component, where)
    if isinstance(build_loss(component, where), AdversarialLoss):
        promises.add(
            "it pulls scores of real images up, and those of synthetic ones down", _adversarial, component, where
        )
    promises.check()


def _arguments(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return an output and a target with values between 0 and 1, which every kind of loss takes."""
    rng = torch.Generator().manual_seed(0)
    output, target = torch.rand(2, *shape, generator=rng).mul(0.8).add(0.1)
    return output.requires_grad_(), target


def _one_number(component: Component, where: str) -> str:
    losses = [build_loss(component, where)(*_arguments(shape)) for shape in _SHAPES]
    kept = all(loss.ndim == 0 and torch.isfinite(loss) for loss in losses)
    return seen_unless(kept, [loss.tolist() if loss.ndim == 0 else tuple(loss.shape) for loss in losses])


def _repeatable(component: Component, where: str) -> str:
    loss = build_loss(component, where)
    output, target = _arguments(_SHAPES[0])
    first, second = (float(loss(output, target).detach()) for _ in range(2))
    fresh = _arguments(_SHAPES[0])
    unchanged = torch.equal(output, fresh[0]) and torch.equal(target, fresh[1])
    return seen_unless(first == second and unchanged, f"{first} and {second}" if unchanged else "changed arguments")


def _descends(component: Component, where: str) -> str:
    loss = build_loss(component, where)
    output, target = _arguments(_SHAPES[0])
    before = loss(output, target)
    gradient = _gradient(before, output)
    after = loss(output.detach() - 1e-3 * gradient / gradient.norm(), target)
    return seen_unless(float(after) < float(before.detach()), f"{float(after)} after {float(before.detach())}")


def _bf16(component: Component, where: str) -> str:
    if isinstance(build_loss(component, where), nn.BCELoss):  # torch refuses it under autocast, and says what to use
        return ""
    output, target = _arguments(_SHAPES[0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = build_loss(component, where)(output, target)
    return seen_unless(bool(torch.isfinite(_gradient(loss, output)).all()), "a gradient that is not finite")


def _reductions(component: Component, where: str) -> str:
    arguments = _arguments(_SHAPES[0])
    every, mean, total = (
        build_loss(component, where, reduction=reduction)(*arguments).detach() for reduction in ("none", "mean", "sum")
    )
    if every.ndim == 0:
        return seen_unless(False, "one number for reduction none")
    kept = torch.allclose(every.mean(), mean, rtol=1e-4) and torch.allclose(every.sum(), total, rtol=1e-4)
    return seen_unless(kept, f"mean {float(mean)} and sum {float(total)} of values with mean {float(every.mean())}")


def _adversarial(component: Component, where: str) -> str:
    loss = build_loss(component, where)
    if not isinstance(loss, AdversarialLoss):
        return ""
    real, fake = (torch.linspace(-0.5, 0.5, 8).requires_grad_() for _ in range(2))
    pulls = {
        "real images in the discriminator's loss": -_gradient(loss.for_discriminator(real, fake), real),
        "synthetic images in the discriminator's loss": _gradient(loss.for_discriminator(real, fake), fake),
        "the generator's images": -_gradient(loss.for_generator(fake), fake),
    }
    wrong = [name for name, pull in pulls.items() if not (pull >= 0).all() or not pull.any()]
    return seen_unless(not wrong, f"the wrong direction for {', '.join(wrong)}")


def _gradient(loss: Tensor, output: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(loss, output)
    return gradient
