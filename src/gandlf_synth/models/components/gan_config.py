"""What the configurations of the families of generative adversarial networks share; imports no torch."""

from typing import ClassVar, Self

from pydantic import model_validator

from gandlf_synth.config import ModelConfig

_NEEDS_CLASSES = "cel"


class GANConfig(ModelConfig):
    """The keys of ``model_config`` of a family with a generator and a discriminator."""

    networks: ClassVar[tuple[str, ...]] = ("generator", "discriminator")
    patches: ClassVar[bool] = True
    smallest_batch: ClassVar[int] = 8

    @model_validator(mode="after")
    def _losses_take_scores(self) -> Self:
        for network in self.networks:
            component = self.component("losses", network)
            if component is not None and component.name.lower() == _NEEDS_CLASSES:
                raise ValueError("losses: cel needs classes; use bcelogits, hinge, bce, mse, l1 or plain_mean")
        return self
