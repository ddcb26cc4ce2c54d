"""The average of the weights over the last steps, which is what a model is used with."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.networks.sharding import is_sharded, local, reshard

_CURRENT_KEY = "current_model_state"
"""Where a checkpoint keeps the weights that are trained, beside their average."""
Pairs = list[tuple[Tensor, Tensor]]
Sides = tuple[list[Tensor], list[Tensor]]


@dataclass
class Averaged:
    """A tensor of a model, its average, and where the model has it: a buffer may be another tensor tomorrow."""

    holder: dict[str, Any]
    name: str
    average: Tensor

    @property
    def current(self) -> Tensor:
        """The tensor itself."""
        tensor: Tensor = self.holder[self.name].detach()
        return tensor


class ExponentialMovingAverage(Callback):
    """Averages the weights over the last ``1 / (1 - decay)`` steps, fewer in the beginning.

    At step n the decay is ``min(decay, (1 + n) / (10 + n))``, so that a short run is not held by its first weights.
    Checkpoints hold the average in ``state_dict``, and the weights being trained beside it. Validation looks at the
    average, and at the end of a training the model has it. Where processes share the weights, each averages its part.

    Args:
        decay: of the average, once it is warm.
        begins_trained: whether the first weights count too, because another training made them.
    """

    def __init__(self, decay: float, *, begins_trained: bool = False) -> None:
        self._decay, self._begins_trained = decay, begins_trained
        self._steps = 0
        self._tensors: dict[str, Averaged] = {}
        self._sharded = False
        self._places: list[tuple[int, int]] = []
        self._last_sides: list[Sides] = []

    def state_dict(self) -> dict[str, int]:
        """Return the step that was averaged last."""
        return {"latest_update_step": self._steps}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on from that step."""
        self._steps = state_dict["latest_update_step"]

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take over the average, and give the model the weights that were trained."""
        self._begin(pl_module)
        for name, each in self._tensors.items():
            each.average.copy_(checkpoint["state_dict"][name])
        if _CURRENT_KEY in checkpoint:
            pl_module.load_state_dict(checkpoint[_CURRENT_KEY])

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Let the average take the place of the weights that are trained, which stay beside it."""
        if self._tensors:
            checkpoint[_CURRENT_KEY] = checkpoint["state_dict"]
            checkpoint["state_dict"] = {name: each.average for name, each in self._tensors.items()}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the tensors of the model once: to look for them in every step takes longer than to average them."""
        loaded = {name: each.average for name, each in self._tensors.items()}
        self._begin(pl_module)
        for name, average in loaded.items():
            self._tensors[name].average.copy_(average)

    def _begin(self, module: nn.Module) -> None:
        self._sharded, self._tensors, self._places = is_sharded(module), copies_of(module), []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: Batch, batch_idx: int
    ) -> None:
        """Take the weights in after every step of an optimizer."""
        if trainer.global_step > self._steps:
            self._take_in(pl_module)
            self._steps = trainer.global_step

    @torch.no_grad()
    def _take_in(self, module: nn.Module) -> None:
        for own, new in self._sides(module):
            if (self._steps or self._begins_trained) and own[0].is_floating_point():
                torch._foreach_lerp_(own, new, averaging_weight(self._decay, self._steps))
            else:
                torch._foreach_copy_(own, new)

    def _sides(self, module: nn.Module) -> list[Sides]:
        """Return all averages and all present values, by their type; as in the last step where they lie where they did.

        Making hundreds of pairs takes the processor longer than a GPU takes to average them.
        """
        places = [] if self._sharded else [_place_of(each.holder[each.name]) for each in self._tensors.values()]
        if not places or places != self._places:
            self._places = places
            self._last_sides = [
                ([average for average, _ in pairs], [current for _, current in pairs])
                for pairs in by_type(self._pairs(module))
            ]
        return self._last_sides

    def _pairs(self, module: nn.Module) -> Pairs:
        """Return each average with the present value, of both the part that this process has."""
        if self._sharded:
            reshard(module)
        return pairs_of(self._tensors.values())

    @torch.no_grad()
    def swap(self, module: nn.Module) -> None:
        """Let the weights of ``module`` and their average change places."""
        for average, current in self._pairs(module):
            kept = average.clone()
            average.copy_(current)
            current.copy_(kept)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the average."""
        self.swap(pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on with the weights that are trained."""
        self.swap(pl_module)

    @torch.no_grad()
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the average in the model."""
        for average, current in self._pairs(pl_module):
            current.copy_(average)


def _place_of(tensor: Tensor) -> tuple[int, int]:
    """Return what changes when ``tensor`` is another one, or its numbers lie elsewhere."""
    return id(tensor), tensor.data_ptr()


@torch.no_grad()
def copies_of(module: nn.Module) -> dict[str, Averaged]:
    """Return a copy of every tensor of ``module`` that checkpoints keep; where it has two names, one of both."""
    reshard(module)
    kept = module.state_dict(keep_vars=True)
    copies: dict[str, Averaged] = {}
    known: dict[int, Averaged] = {}
    for prefix, part in module.named_modules(remove_duplicate=False):
        for holder in (part._parameters, part._buffers):
            for name, value in holder.items():
                key = f"{prefix}.{name}" if prefix else name
                if key in kept:
                    new = known.get(id(value)) or Averaged(holder, name, value.detach().clone())
                    copies[key] = known[id(value)] = new
    return copies


def pairs_of(averages: Iterable[Averaged]) -> Pairs:
    """Return each average with the present value, of both the part that this process has."""
    tensors = {id(each): each for each in averages}
    return [(local(each.average), local(each.current)) for each in tensors.values()]


def by_type(pairs: Pairs) -> list[Pairs]:
    """Return tensors of one number type together, which torch takes in one call."""
    groups: dict[torch.dtype, Pairs] = defaultdict(list)
    for average, current in pairs:
        groups[average.dtype].append((average, current))
    return list(groups.values())


def averaging_weight(decay: float, steps: int) -> float:
    """Return what the newest weights count in the average, after so many steps.

    Example:
        >>> round(averaging_weight(0.999, steps=90), 2)
        0.09
    """
    return 1 - min(decay, (1 + steps) / (10 + steps))


@contextmanager
def averaged_weights(trainer: Trainer, module: nn.Module) -> Iterator[None]:
    """Give ``module`` the average of its weights for the block, where the training has one."""
    callbacks: list[Callback] = trainer.callbacks
    average = next((each for each in callbacks if isinstance(each, ExponentialMovingAverage)), None)
    if average is not None:
        average.swap(module)
    yield
    if average is not None:
        average.swap(module)
