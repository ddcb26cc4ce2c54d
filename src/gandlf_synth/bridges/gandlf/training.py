"""GaNDLF's optimizers, schedulers, losses and metrics, which take one dictionary of parameters."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from gandlf_synth.metrics.paired.base import Array, Mask, PairedMetric, boxed
from gandlf_synth.optim import Horizon


def optimizer(name: str, entry: Callable[[dict[str, Any]], Optimizer]) -> Callable[..., Optimizer]:
    """Return a factory of GaNDLF's optimizer."""

    def make(params: Any, /, *, lr: float = 1e-3, **more: Any) -> Optimizer:
        weights = list(params)
        return entry({"model_parameters": weights, "learning_rate": lr, "optimizer": {"type": name, **more}})

    return make


def scheduler(name: str, entry: Callable[[dict[str, Any]], Any]) -> Callable[..., dict[str, Any]]:
    """Return a factory of GaNDLF's scheduler, which it steps once an epoch."""

    def make(optimizer: Optimizer, horizon: Horizon, /, **more: Any) -> dict[str, Any]:
        rate = optimizer.param_groups[0]["lr"]
        epochs = max(1, round(horizon.num_epochs))
        parameters = {"optimizer_object": optimizer, "learning_rate": rate, "num_epochs": epochs}
        defaults = {"step_size": max(1, epochs // 5)}
        made = entry({**parameters, "scheduler": {"type": name, **defaults, **more}})
        watched = {"monitor": horizon.monitor} if isinstance(made, ReduceLROnPlateau) else {}
        return {"scheduler": made, "interval": "epoch", **watched}

    return make


class _Loss(nn.Module):
    def __init__(self, entry: Callable[..., Tensor], parameters: dict[str, Any]) -> None:
        super().__init__()
        self._entry = entry
        accepted = inspect.signature(entry).parameters
        self._more = {"params": parameters} if "params" in accepted else parameters

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return self._entry(output, target, **self._more)


def loss(_: str, entry: Callable[..., Tensor]) -> Callable[..., nn.Module]:
    """Return a factory of GaNDLF's loss, which is one number and not one per element."""

    def make(*, reduction: str = "none", **more: Any) -> nn.Module:  # noqa: ARG001
        return _Loss(entry, more)

    return make


def metric(_: str, entry: Callable[..., Any]) -> PairedMetric:
    """Return GaNDLF's metric as a function of original, reconstruction, and the mask whose box it gets."""
    accepted = inspect.signature(entry).parameters

    def measure(original: Array, reconstruction: Array, mask: Mask | None, /) -> float:
        original, reconstruction = boxed(original, reconstruction, mask)
        pair = [torch.from_numpy(np.ascontiguousarray(each, np.float32))[None] for each in (reconstruction, original)]
        more = {"params": {"problem_type": "synthesis"}} if "params" in accepted else {}
        return float(torch.as_tensor(entry(*pair, **more)).float().mean())

    return measure
