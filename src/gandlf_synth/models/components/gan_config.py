"""What the configurations of the families of generative adversarial networks share; imports no torch."""

from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import model_validator

from gandlf_synth.config import Component, ModelConfig, Size

_NEEDS_CLASSES = "cel"
_DECAY = "weight_decay"
_COUPLED = ("adadelta", "adagrad", "adam", "adamax", "asgd", "nadam", "radam", "rmsprop", "sgd")
"""Optimizers of the vocabulary that add ``weight_decay`` times the weights to the gradients unless it is written."""


def adam_without_decay(*, lr: float, betas: tuple[float, float]) -> Component:
    """Return Adam with a ``weight_decay`` of 0 in place of the vocabulary's 5e-5.

    Example:
        >>> adam_without_decay(lr=1e-3, betas=(0.0, 0.99)).parameters["weight_decay"]
        0.0
    """
    return Component.model_validate({"name": "adam", "lr": lr, "betas": list(betas), _DECAY: 0.0})


class GANConfig(ModelConfig):
    """The keys of ``model_config`` of a family with a generator and a discriminator."""

    networks: ClassVar[tuple[str, ...]] = ("generator", "discriminator")
    patches: ClassVar[bool] = True
    smallest_batch: ClassVar[int] = 8

    enough_steps: ClassVar[Mapping[Size, int]] = {"S": 3_000, "M": 10_000, "L": 30_000, "XL": 100_000}
    equalized: ClassVar[bool] = False
    """Whether weights are stored larger than they act, so that decay outweighs their gradients."""

    def plan_notes(self, num_epochs: int) -> list[str]:
        """Say so when equalized weights decay because of a default that nobody wrote."""
        components = [self.component("optimizers", network) for network in self.networks]
        decaying = {
            component.name
            for component in components
            if component and component.name.lower() in _COUPLED and _DECAY not in component.parameters
        }
        if not self.equalized or not decaying:
            return []
        names = " and ".join(sorted(decaying))
        return [
            f"{names} without {_DECAY} adds decay by the vocabulary's default, which outweighs the gradients of "
            f"equalized weights: they shrink instead of learning; write {_DECAY}: 0 in optimizers"
        ]

    @model_validator(mode="after")
    def _losses_take_scores(self) -> Self:
        for network in self.networks:
            component = self.component("losses", network)
            if component is not None and component.name.lower() == _NEEDS_CLASSES:
                raise ValueError("losses: cel needs classes; use bcelogits, hinge, bce, mse, l1 or plain_mean")
        return self
