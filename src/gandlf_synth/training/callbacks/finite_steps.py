"""Judges the gradients of every step, and leaves out steps along gradients that are not finite."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Optimizer

from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.errors import Problem, TrainingError
from gandlf_synth.files import write_json
from gandlf_synth.networks.sharding import gradient_norm

_MOST_SKIPPED = 10


@dataclass(frozen=True)
class _Gradients:
    """The gradients of one step, in numbers that may still be on their way from the GPU.

    Args:
        step, epoch, batch: which step.
        samples: the samples of the batch.
        parts: the model's parts that have gradients.
        numbers: their norms, then 1 where any gradient of any process is not finite, else 0.
        arrival: when ``numbers`` can be read; None: now.
    """

    step: int
    epoch: int
    batch: int
    samples: Tensor
    parts: Sequence[str]
    numbers: Tensor
    arrival: torch.cuda.Event | None

    def values(self) -> list[float]:
        """Return ``numbers``; waits for them where they have not arrived."""
        if self.arrival is not None:
            self.arrival.synchronize()
        return self.numbers.tolist()


class FiniteSteps(Callback):
    """Leaves out steps whose gradients are not finite; after ten in a row of one network, stops.

    A fused optimizer leaves the step out on the GPU itself, and the CPU learns of it one step later: it would otherwise
    stand still in every step until the gradients are there. fp16 is left alone: there the gradient scaler expects such
    steps and skips them itself.

    Args:
        folder: where ``nonfinite_step_N.json`` is written: epoch, batch, samples, and the norms per network part.
        last_good: the checkpoint that the message names.

    Raises:
        TrainingError: ten steps in a row were not finite.
    """

    def __init__(self, folder: Path, last_good: Path) -> None:
        self._folder = folder
        self._last_good = last_good
        self._skipped: dict[int, int] = {}
        self._unread: dict[int, _Gradients] = {}
        self._parts: dict[int, list[tuple[str, list[Tensor]]]] = {}
        self._batch: tuple[int, Tensor] = (0, torch.empty(0))

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Remember which samples are in hand."""
        self._batch = (batch_idx, batch["index"])

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Leave the step out when a gradient is not finite."""
        if trainer.precision == "16-mixed":
            return
        number = trainer.optimizers.index(optimizer)
        if number not in self._parts:
            self._parts[number] = _trained_parts(pl_module, optimizer)
        gradients = {name: [each.grad for each in own if each.grad is not None] for name, own in self._parts[number]}
        norms = {name: gradient_norm(own) for name, own in gradients.items() if own}
        if not norms:
            return
        pl_module.gradient_norm = torch.linalg.vector_norm(torch.stack(list(norms.values())))
        nonfinite = (~torch.isfinite(pl_module.gradient_norm)).float()
        numbers = torch.stack([*norms.values(), nonfinite])
        judged = _sent(numbers, trainer, self._batch, tuple(norms))
        if judged.arrival is None or not all(group.get("fused") for group in optimizer.param_groups):
            if not self._judge(number, judged):
                optimizer.zero_grad(set_to_none=True)
            return
        optimizer.found_inf = nonfinite  # type: ignore[attr-defined]
        earlier, self._unread[number] = self._unread.get(number), judged
        if earlier is not None:
            self._judge(number, earlier)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge what has not been judged."""
        while self._unread:
            self._judge(*self._unread.popitem())

    def _judge(self, number: int, gradients: _Gradients) -> bool:
        """Say whether ``gradients`` of an optimizer were finite; write them down where they were not."""
        *norms, nonfinite = gradients.values()
        if not nonfinite:
            self._skipped[number] = 0
            return True
        self._skipped[number] = self._skipped.get(number, 0) + 1
        path = self._folder / f"nonfinite_step_{gradients.step}.json"
        content = {
            "epoch": gradients.epoch,
            "batch": gradients.batch,
            "samples": [int(sample) for sample in gradients.samples],
            "gradient_norms": {name: str(norm) for name, norm in zip(gradients.parts, norms, strict=True)},
        }
        write_json(path, content)
        if self._skipped[number] < _MOST_SKIPPED:
            return False
        raise TrainingError(
            Problem(
                f"step {gradients.step}",
                f"the gradients of {_MOST_SKIPPED} steps in a row are not finite; the last ones are in {path}",
                fix=f"lower the learning rate, set gradient_clip_val, or use precision 32-true or bf16-mixed; "
                f"the last good checkpoint is {self._last_good}",
            )
        )


def _trained_parts(module: nn.Module, optimizer: Optimizer) -> list[tuple[str, list[Tensor]]]:
    """Return the weights that ``optimizer`` changes, by the part of ``module`` that they belong to."""
    trained = {id(weights): weights for group in optimizer.param_groups for weights in group["params"]}
    parts: list[tuple[str, list[Tensor]]] = []
    for name, part in module.named_children():
        parts.append((name, [trained.pop(id(weights)) for weights in part.parameters() if id(weights) in trained]))
    return [*parts, ("weights", list(trained.values()))]  # the last ones are of no part, or shared out otherwise


def _sent(numbers: Tensor, trainer: Trainer, batch: tuple[int, Tensor], parts: Sequence[str]) -> _Gradients:
    """Return ``numbers`` on their way to the CPU."""
    arrival = None
    if numbers.is_cuda:
        numbers = numbers.to("cpu", non_blocking=True)
        arrival = torch.cuda.Event()  # type: ignore[no-untyped-call, unused-ignore]
        arrival.record()
    return _Gradients(trainer.global_step, trainer.current_epoch, *batch, parts, numbers, arrival)
