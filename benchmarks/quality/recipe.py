"""What is trained: a family with its parameters, and how long its batches and rates are."""

from dataclasses import dataclass
from typing import Any, Literal

Precision = Literal["32-true", "bf16-mixed"]


@dataclass(frozen=True)
class Recipe:
    """One way to train.

    Args:
        model: the ``model_config`` section, without what follows from the data.
        batch: images in a batch.
        warmup: the share of the training in which the rate rises.
        cooldown: the share of the training in which the rate falls; 0: a constant rate.
        averages: averages of the weights that are scored, besides the family's own: σ_rel of the power function.
        samplings: further ways to sample that are scored.
        few: how many of the training images are used; None: all.
        mirrors: whether the training images are mirrored, left to right, half of the time.
        first: the recipe of the autoencoder, for diffusion of latents.
        first_share: the share of the time that the autoencoder gets.
    """

    model: dict[str, Any]
    batch: int = 32
    warmup: float = 0.0
    cooldown: float = 0.4
    averages: tuple[float, ...] = ()
    samplings: tuple[dict[str, Any], ...] = ()
    few: int | None = None
    mirrors: bool = False
    first: "Recipe | None" = None
    first_share: float = 0.4

    @property
    def family(self) -> str:
        """The name of the model family."""
        return str(self.model["model_name"])

    @property
    def cost(self) -> tuple[str, ...]:
        """What the time of a step depends on: recipes that differ in rates, levels or groups cost the same."""
        parts = {key: value for key, value in self.model.items() if key in {"architecture", "second_stage"}}
        if self.family in _DENOISERS and "architecture" in parts:
            network = {key: value for key, value in parts["architecture"].items() if key not in _COST_NOTHING}
            return ("denoiser", str(network), str(self.batch))
        first = "" if self.first is None else str(self.first)
        return (str(sorted(self.model.items(), key=str)), str(self.batch), first)


_COST_NOTHING = ("norm_num_groups", "dropout")
_DENOISERS = ("ddpm", "flow_matching")
