"""Training throughput of ``fit`` (data, averaging, logging, checkpoints) against a bare PyTorch loop.

``python -m benchmarks.throughput [-o FILE] [--families ddpm_2d …] [--repeats 5]``

Both run the same network, loss, optimizer, precision and batch; the bare loop's data lies in memory. Bare and full
runs alternate, so that what else the machine does falls on both; the ratio is the median of the pairs' ratios.
"""

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.table import Table

from gandlf_synth.config import Document, validate
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.launcher import hardware
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.build import build_module
from gandlf_synth.provenance import software_versions
from gandlf_synth.testing import synthetic_data, synthetic_spec
from gandlf_synth.training.fit import fit


@dataclass(frozen=True)
class Case:
    """One measurement.

    Args:
        model: the ``model_config`` section.
        shape: voxels along each axis.
        batch_size: samples in a step.
        steps: steps of a run; the first two are not counted.
        goal: the ratio to reach.
    """

    model: dict[str, Any]
    shape: tuple[int, ...]
    batch_size: int
    steps: int
    goal: float


CASES = {
    "ddpm_2d": Case({"model_name": "ddpm", "architecture": {}}, (64, 64), 16, 24, 0.97),
    "ddpm_3d": Case({"model_name": "ddpm", "architecture": {}}, (32, 32, 32), 2, 20, 0.97),
    "flow_matching_2d": Case({"model_name": "flow_matching", "architecture": {}}, (64, 64), 16, 24, 0.97),
    "dcgan_2d": Case({"model_name": "dcgan", "architecture": {}}, (32, 32), 64, 40, 0.90),
    "stylegan2_2d": Case({"model_name": "stylegan2", "architecture": {}}, (64, 64), 16, 24, 0.90),
    "vqvae_2d": Case({"model_name": "vqvae", "architecture": {}, "prior_fraction": 0}, (64, 64), 16, 32, 0.95),
    "autoencoder_kl_2d": Case({"model_name": "autoencoder_kl", "architecture": {}}, (64, 64), 16, 32, 0.95),
}
_WARM_UP = 2


class _Clock(Callback):
    """Notes when each batch ends."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.ends.append(time.perf_counter())


def seconds_per_step_of_fit(case: Case, precision: str, root: Path) -> float:
    """Return the mean time of a step in a whole training run, epoch ends included."""
    section = {**case.model, "save_eval_images_every_n_epochs": -1}
    content = {"model_config": section, "batch_size": case.batch_size, "num_epochs": 2}
    config = validate(
        Document("benchmark", {**content, "compute": {"accelerator": "cpu", "precision": precision}})
    ).config
    spec = synthetic_spec(case.shape, 1, "unlabeled")
    torch.manual_seed(0)
    module = build_module(config.model.model_dump(mode="json"), spec)
    data = synthetic_data(
        spec, root, samples=case.batch_size * case.steps // 2, batch_size=case.batch_size, phases=("train",)
    )
    clock = _Clock()
    fit(module, data, config, ModelFolder(root / "run"), Console(quiet=True), callbacks=[clock])
    counted = clock.ends[_WARM_UP:]
    return (counted[-1] - counted[0]) / (len(counted) - 1)


def seconds_per_step_of_a_bare_loop(case: Case, precision: str) -> float:
    """Return the mean time of a step of the same model in a loop of plain PyTorch."""
    config = validate(Document("benchmark", {"model_config": case.model})).config
    spec = synthetic_spec(case.shape, 1, "unlabeled")
    torch.manual_seed(0)
    module = build_module(config.model.model_dump(mode="json"), spec)
    step = _bare_step(module, precision)
    images = torch.randn(case.batch_size * 4, 1, *case.shape).clamp(-1, 1)
    ends = []
    for number in range(case.steps):
        places = torch.arange(case.batch_size) + case.batch_size * (number % 4)
        step(Batch(image=images[places], condition=Condition(), index=places), number)
        ends.append(time.perf_counter())
    counted = ends[_WARM_UP:]
    return (counted[-1] - counted[0]) / (len(counted) - 1)


def _nothing(*_: Any, **__: Any) -> None:
    """Log nothing."""


def _bare_step(module: Any, precision: str) -> Any:
    """Return a function of (batch, number) that takes a step without Lightning's trainer."""
    silent: dict[str, Any] = {"log": _nothing, "log_dict": _nothing, "training_progress": 0.5}
    alone = SimpleNamespace(strategy=SimpleNamespace(broadcast=lambda value: value), world_size=1)
    silent |= {"turns": 1, "watch": _nothing, "trainer": alone}  # what only a run under a trainer has
    module.__class__ = type("Bare", (type(module),), silent)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed")
    if module.automatic_optimization:
        optimizer = module._optimizer()

        def step(batch: Batch, number: int) -> None:
            with autocast:
                loss = module.training_step(batch, number)
            optimizer.zero_grad()
            loss.backward()
            if module.config.gradient_clip_val:
                torch.nn.utils.clip_grad_norm_(module.parameters(), module.config.gradient_clip_val)
            optimizer.step()

        return step
    optimizers = module._optimizers()

    def update(name: str, loss: torch.Tensor, _: int) -> torch.Tensor:
        loss.backward()
        if module.config.gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(module.network(name).parameters(), module.config.gradient_clip_val)
        optimizers[name].step()
        optimizers[name].zero_grad()
        return loss.detach()

    module.update = update

    def turns(batch: Batch, number: int) -> None:
        with autocast:
            module.training_step(batch, number)

    return turns


def measure(names: list[str], repeats: int, precision: str) -> dict[str, Any]:
    """Return medians and ratios per case."""
    results = {}
    for name in names:
        case = CASES[name]
        pairs = []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as folder:
                full = seconds_per_step_of_fit(case, precision, Path(folder))
            pairs.append((seconds_per_step_of_a_bare_loop(case, precision), full))
        bare, full = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
        ratios = sorted(pair[0] / pair[1] for pair in pairs)
        results[name] = {
            "bare_s": bare, "fit_s": full, "ratio": statistics.median(ratios), "ratios": ratios, "goal": case.goal,
            "images_per_s": case.batch_size / full, "shape": case.shape, "batch_size": case.batch_size,
        }  # fmt: skip
    return results


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmarks/results/throughput_cpu.json"))
    parser.add_argument("--families", nargs="*", default=None)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--precision", default="bf16-mixed")
    arguments = parser.parse_args()
    from gandlf_synth import registry

    names = arguments.families or [
        name for name in CASES if CASES[name].model["model_name"] in registry.names("models")
    ]
    results = measure(names, arguments.repeats, arguments.precision)
    table = Table("case", "bare s/step", "fit s/step", "ratio", "goal", "images/s")
    for name, row in results.items():
        numbers = [f"{row[key]:.3f}" for key in ("bare_s", "fit_s", "ratio")]
        table.add_row(name, *numbers, f"{row['goal']:.2f}", f"{row['images_per_s']:.1f}")
    Console().print(table)
    record = {
        "precision": arguments.precision,
        "hardware": hardware(),
        "versions": software_versions(),
        "cases": results,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, indent=2, default=str) + "\n")


if __name__ == "__main__":
    main()
