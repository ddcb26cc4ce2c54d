"""What a training step waits for, and what is said when memory runs out."""

import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from tests.runs import train

from gandlf_synth import registry
from gandlf_synth.errors import ResourceError

WAITS = {
    "finite_steps.py:values": "the CPU learns here what the GPU found in the gradients of the step before",
    "reconstruction_loss.py:_dissimilarity": "MONAI makes the window of SSIM on the CPU",
    "shape_loss.py:forward": "MONAI makes the smallest variance on the CPU",
}
"""What a training step waits for the GPU for, and why; everything else is an error."""
_FIRST = 2
"""Steps that are not looked at: constants are copied, kernels are loaded."""


class Waits(Callback):
    """Notes where a training step waits for the GPU: the project's innermost line, or torch's and Lightning's."""

    def __init__(self) -> None:
        self.places: Counter[str] = Counter()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch == 0 or batch_idx < _FIRST:
            return
        self._shown = warnings.showwarning
        warnings.showwarning = self._note
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch == 0 or batch_idx < _FIRST:
            return
        torch.cuda.set_sync_debug_mode("default")
        warnings.showwarning = self._shown

    def _note(self, message: Any, *_: Any, **__: Any) -> None:
        if "synchroniz" not in str(message):
            return
        frames = [
            each for each in traceback.extract_stack() if not each.filename.endswith(("warnings.py", "_steps.py"))
        ]
        own = [each for each in frames if "gandlf_synth" in each.filename]
        inner = own[-1] if own and own[-1].name != "fit" else frames[-1]
        if inner.name == "set_sync_debug_mode":  # it says, once, that it is a prototype
            return
        self.places[f"{Path(inner.filename).name}:{inner.name}"] += 1


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("family", sorted(registry.names("models")))
def test_a_training_step_waits_for_what_is_listed(family: str, dims: int, tmp_path: Path) -> None:
    waits = Waits()

    with warnings.catch_warnings():
        compute = {"accelerator": "cuda", "precision": "bf16-mixed"}
        train(family, tmp_path, dims=dims, samples=24, callbacks=[waits], compute=compute)

    assert set(waits.places) <= set(WAITS), f"{family}, {dims}D waits at {dict(waits.places)}"


def test_a_wait_in_a_training_step_is_noticed(tmp_path: Path) -> None:
    waits = Waits()

    class Looks(Callback):
        def on_before_zero_grad(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            next(pl_module.parameters()).sum().item()

    with warnings.catch_warnings():
        train("ddpm", tmp_path, samples=24, callbacks=[Looks(), waits], compute={"accelerator": "cuda"})

    assert waits.places


def test_running_out_of_memory_says_what_to_change(tmp_path: Path) -> None:
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.0005)
    channels = {"num_channels": [256, 256, 256, 256]}

    try:
        with pytest.raises(ResourceError, match=r"ran out of memory: .*try one of: batch_size: 2 with"):
            train("ddpm", tmp_path, dims=3, compute={"accelerator": "cuda"}, section={"architecture": channels})
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
