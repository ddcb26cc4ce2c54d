"""Training of the denoising families in one plain loop, replayed as a CUDA graph on a GPU.

Objective, network, optimizer, rates and averages are the product's. The loop is not: small networks on a GPU wait for
the processor that starts their kernels, and a graph starts all kernels of a step at once, so that dozens of recipes fit
into minutes.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.quality.budget import Budget
from benchmarks.quality.recipe import Precision, Recipe
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.training.rates import power_decay, power_exponent, rate_share

_WARM_STEPS = 3
_STEPS_AHEAD = 8
"""That the processor may be ahead of the GPU; when it waits it sleeps, and others may have its core."""


class _Averages:
    """Averages of the weights, in place, without a wait for the device."""

    def __init__(self, module: nn.Module, decay: float, widths: tuple[float, ...], device: torch.device) -> None:
        self._weights = list(module.parameters())
        self._decay, self._exponents = decay, {f"power {width:g}": power_exponent(width) for width in widths}
        names = ["own", *self._exponents]
        self.values = {name: [weight.detach().clone() for weight in self._weights] for name in names}
        self._shares = {name: torch.zeros((), device=device) for name in names}

    def set_step(self, step: int) -> None:
        """Set how much of the step is taken in, before it is."""
        decay = min(self._decay, (1 + step) / (10 + step)) if self._decay else 0.0
        self._shares["own"].fill_(1 - decay if step else 1.0)
        for name, exponent in self._exponents.items():
            self._shares[name].fill_(1 - power_decay(step + 1, exponent))

    @torch.no_grad()
    def take_in(self) -> None:
        """Take the weights in."""
        current = [weight.detach() for weight in self._weights]
        for name, values in self.values.items():
            change = torch._foreach_sub(current, values)
            torch._foreach_mul_(change, self._shares[name])
            torch._foreach_add_(values, change)

    @torch.no_grad()
    def put_into(self, name: str) -> None:
        """Put an average into the module."""
        torch._foreach_copy_(self._weights, self.values[name])


def train_denoiser(
    module: Any,
    recipe: Recipe,
    clean: Tensor,
    labels: Tensor | None,
    budget: Budget,
    device: torch.device,
    precision: Precision = "32-true",
) -> tuple[int, Iterator[str], dict[str, Any]]:
    """Train ``module.process`` on ``clean (n, channels, *size)``.

    Returns:
        The steps; an iterator that puts one average after the other into the module and yields its name; facts.
    """
    labels = None if labels is None else labels.to(device)
    step = _Step(module.to(device), recipe, clean.to(device), labels, precision)
    taken = 0
    while budget.progress(taken) < 1 and not budget.late:
        step.prepare(taken, rate_share(budget.progress(taken), (0.0, 1.0), recipe.warmup, recipe.cooldown))
        step()
        taken += 1
    facts = {"graph": step.graph is not None, "loss": float(step.loss), "late": budget.late}

    def averages() -> Iterator[str]:
        for name in step.averages.values:
            step.averages.put_into(name)
            yield name

    return taken, averages(), facts


class _Step:
    """One training step; what changes from step to step lies in tensors that stay where they are."""

    def __init__(self, module: Any, recipe: Recipe, clean: Tensor, labels: Tensor | None, precision: Precision) -> None:
        self.module, self.clean, self.labels, device = module.train(), clean, labels, clean.device
        self.places = torch.zeros(recipe.batch, dtype=torch.long, device=device)
        self._autocast = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed")
        self.clip = module.config.gradient_clip_val
        self.optimizer = module._optimizer()
        self._rates = [group["lr"] for group in self.optimizer.param_groups]
        if device.type == "cuda":
            for group in self.optimizer.param_groups:
                group["lr"], group["capturable"] = torch.tensor(float(group["lr"]), device=device), True
        self.averages = _Averages(module.process, module.config.ema_decay, recipe.averages, device)
        self.graph: Any = None
        self._captures = device.type == "cuda"
        self._count = 0
        self._behind: Any = None
        self.loss = torch.zeros((), device=device)
        self._order = torch.empty(0, dtype=torch.long, device=device)

    def prepare(self, number: int, share: float) -> None:
        """Draw the places of the batch, and set rate and averages."""
        if len(self._order) < len(self.places):
            self._order = torch.cat(
                [self._order, *(torch.randperm(len(self.clean), device=self.clean.device) for _ in range(2))]
            )
        self.places.copy_(self._order[: len(self.places)])
        self._order = self._order[len(self.places) :]
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate * share)
            else:
                group["lr"] = rate * share
        self.averages.set_step(number)

    def __call__(self) -> None:
        if self.graph is not None:
            self.graph.replay()
            if self._count % _STEPS_AHEAD == 0:
                self._wait()
        elif self._captures and self._count == _WARM_STEPS:
            self._capture()
        else:
            self._take()
        self._count += 1

    def _wait(self) -> None:
        """Wait until the GPU has come to where this was called the last time."""
        reached = torch.cuda.Event(blocking=True)
        reached.record()
        if self._behind is not None:
            self._behind.synchronize()
        self._behind = reached

    def _take(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        condition = Condition({} if self.labels is None else {"class": self.labels[self.places]})
        clean = self.clean[self.places]
        if self.module.augmentation is not None:
            clean, condition = self.module.augmentation(clean, condition)
        with self._autocast:
            loss = self.module.process.training_loss(clean, condition)
        loss.backward()
        if self.clip:
            nn.utils.clip_grad_norm_(self.module.process.parameters(), self.clip)
        self.optimizer.step()
        self.averages.take_in()
        self.loss.copy_(loss.detach())

    def _capture(self) -> None:
        """Record a step and take it; where that fails, go on without."""
        try:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                self._take()
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._take()
            self.graph = graph
        except RuntimeError as error:
            print("no graph:", str(error)[:300], flush=True)
            torch.cuda.synchronize()
            self._captures = False
