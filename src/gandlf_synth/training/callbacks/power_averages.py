"""Further averages of the weights, to choose from after training (Karras et al. 2024, arXiv 2312.02696)."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.stored_averages import AVERAGES_KEY, width_name
from gandlf_synth.networks.sharding import is_sharded, reshard
from gandlf_synth.training.callbacks.averaging import Averaged, by_type, copies_of, pairs_of
from gandlf_synth.training.rates import power_decay, power_exponent


class PowerAverages(Callback):
    """Keeps an average of the weights by a power function for each of ``widths``, in every checkpoint.

    The average of width 0.1 is over about the last fifth of the training, however long it becomes: a run that goes on
    needs no other setting. Networks that do not learn are left out.

    Args:
        widths: the standard deviation of each average's profile, as a share of the training (σ_rel).
    """

    def __init__(self, widths: Sequence[float]) -> None:
        self._exponents = {width_name(width): power_exponent(width) for width in widths}
        self._averages: dict[str, dict[str, Averaged]] = {}
        self._loaded: Mapping[str, Mapping[str, Tensor]] = {}
        self._taken, self._seen = 0, 0

    def state_dict(self) -> dict[str, int]:
        """Return how many steps are in the averages, and which step was the last."""
        return {"taken": self._taken, "latest_update_step": self._seen}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Go on from there."""
        self._taken, self._seen = state_dict["taken"], state_dict["latest_update_step"]

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take over the averages."""
        self._loaded = checkpoint[AVERAGES_KEY]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Put the averages into the checkpoint."""
        checkpoint[AVERAGES_KEY] = {
            width: {name: each.average for name, each in averages.items()} for width, averages in self._averages.items()
        }

    @torch.no_grad()
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find what learns, and begin with its present values or go on with the averages of a checkpoint."""
        for width in self._exponents:
            copies = copies_of(pl_module)
            self._averages[width] = {name: copies[name] for name in _what_learns(pl_module)}
            for name, value in self._loaded.get(width, {}).items():
                self._averages[width][name].average.copy_(value)
        self._loaded = {}

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: Batch, batch_idx: int
    ) -> None:
        """Take the weights in after every step of an optimizer."""
        if trainer.global_step > self._seen:
            self._taken, self._seen = self._taken + 1, trainer.global_step
            self._take_in(pl_module)

    @torch.no_grad()
    def _take_in(self, module: nn.Module) -> None:
        if is_sharded(module):
            reshard(module)
        for width, exponent in self._exponents.items():
            for pairs in by_type(pairs_of(self._averages[width].values())):
                averages, current = (list(side) for side in zip(*pairs, strict=True))
                torch._foreach_lerp_(averages, current, 1 - power_decay(self._taken, exponent))


def describe_memory(module: GenerativeModule) -> list[str]:
    """Return what the averages of a training take, for its plan; nothing without any."""
    widths = module.config.ema_widths
    if not widths:
        return []
    megabytes = sum(each.numel() * each.element_size() for each in _what_learns(module).values()) * len(widths) / 1e6
    names = " and ".join(map(width_name, widths))
    told = f"averages of the weights of width {names} take {megabytes:,.1f} MB of memory and of every checkpoint"
    return [f"{told}; choose-average compares them after training"]


def _what_learns(module: nn.Module) -> dict[str, Tensor]:
    """Return the floating point tensors of those parts of ``module`` that learn; of changes of low rank only these."""
    finished = tuple(
        f"{name}."
        for name, part in module.named_children()
        if not any(weights.requires_grad for weights in part.parameters()) and any(True for _ in part.parameters())
    )
    by_changes = isinstance(module, GenerativeModule) and module.config.lora is not None
    return {
        name: each
        for name, each in module.state_dict(keep_vars=True).items()
        if each.is_floating_point() and not name.startswith(finished) and (each.requires_grad or not by_changes)
    }
