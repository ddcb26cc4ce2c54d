"""What a GPU gives: images per second of a bare loop, of each lever, and of ``fit``; then pictures of a short training.

``python -m benchmarks.gpu [-o FILE] [--csv FILE --minutes 3] [--cases ddpm_64 …]``

The bare loop has its data on the GPU and does nothing but forward, backward, clipping and the optimizer's step; ``fit``
is a whole run with loader, averaging, logging and checkpoints. Every figure is written as soon as it is there, so that
a run that is cut short keeps what it measured. Needs about 5 minutes without the pictures.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from rich.console import Console
from torch.utils.flop_counter import FlopCounterMode

from gandlf_synth.config import Document, validate
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.build import build_module
from gandlf_synth.provenance import software_versions
from gandlf_synth.testing import synthetic_data, synthetic_spec
from gandlf_synth.training.fit import fit

_RESULTS = Path(__file__).parent / "results" / "gpu.json"
_PEAK_TFLOPS = {"H100": 989.0, "H200": 989.0, "A100": 312.0}
"""Dense bfloat16 operations per second of the SXM cards, from their data sheets."""
_WIDE = {
    "num_channels": [64, 128, 256],
    "attention_levels": [False, False, True],
    "num_res_blocks": 2,
    "num_head_channels": 64,
}
_SECONDS, _WARM_UP = 1.0, 3


@dataclass(frozen=True)
class Case:
    """One model at one size.

    Args:
        model: the ``model_config`` section.
        shape: voxels along each axis.
        batch_size: samples in a step.
        levers: also measured with every lever, not only in each number format and as ``fit``.
    """

    model: dict[str, Any]
    shape: tuple[int, ...]
    batch_size: int
    levers: bool = False


CASES = {
    "ddpm_64": Case({"model_name": "ddpm"}, (64, 64), 32, levers=True),
    "ddpm_128_wide": Case({"model_name": "ddpm", "architecture": _WIDE}, (128, 128), 32, levers=True),
    "ddpm_128": Case({"model_name": "ddpm"}, (128, 128), 32),
    "ddpm_256": Case({"model_name": "ddpm"}, (256, 256), 8),
    "ddpm_96_3d": Case({"model_name": "ddpm"}, (96, 96, 96), 2),
    "latent_diffusion_128_3d": Case({"model_name": "latent_diffusion"}, (128, 128, 128), 4),
}
FITTED = {
    "dcgan_64": Case({"model_name": "dcgan"}, (64, 64), 32),
    "stylegan2_64": Case({"model_name": "stylegan2"}, (64, 64), 32),
    "vqvae_64": Case({"model_name": "vqvae"}, (64, 64), 32),
    "autoencoder_kl_64": Case({"model_name": "autoencoder_kl"}, (64, 64), 32),
}
LEVERS: dict[str, dict[str, bool]] = {
    "fp32": {},
    "tf32": {"tf32": True},
    "bf16": {"tf32": True, "bf16": True},
    "bf16, channels_last": {"tf32": True, "bf16": True, "channels_last": True},
    "bf16, fused AdamW": {"tf32": True, "bf16": True, "fused": True},
    "bf16, compile": {"tf32": True, "bf16": True, "compiled": True},
    "bf16, cudnn.benchmark": {"tf32": True, "bf16": True, "benchmark": True},
}
_ALWAYS = ("fp32", "tf32", "bf16")


@contextmanager
def _numbers(*, tf32: bool, benchmark: bool) -> Iterator[None]:
    backends = torch.backends
    before = backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32, backends.cudnn.benchmark
    backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = tf32
    backends.cudnn.benchmark = benchmark
    yield
    backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32, backends.cudnn.benchmark = before


def bare_loop(
    case: Case,
    *,
    tf32: bool = False,
    bf16: bool = False,
    channels_last: bool = False,
    fused: bool = False,
    compiled: bool = False,
    benchmark: bool = False,
) -> dict[str, float]:
    """Return the speed and the memory of training steps that do nothing else."""
    torch.manual_seed(0)
    content = {"model_config": case.model, "batch_size": case.batch_size}
    model = validate(Document("benchmark", content)).config.model
    module: Any = build_module(model.model_dump(mode="json"), synthetic_spec(case.shape, 1, "unlabeled")).cuda()
    images = torch.randn(case.batch_size, *module.noise_shape, device="cuda").clamp(-1, 1)
    if channels_last:
        form = torch.channels_last if images.ndim == 4 else torch.channels_last_3d
        module.process.to(memory_format=form)
        images = images.contiguous(memory_format=form)
    if compiled:
        module.compile_networks()
    weights = [each for each in module.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=5e-4, weight_decay=0.01, fused=fused or None)

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16, enabled=bf16):
            loss = module.process.training_loss(images, Condition())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()

    torch.cuda.reset_peak_memory_stats()
    with _numbers(tf32=tf32, benchmark=benchmark):
        started = time.perf_counter()
        for _ in range(_WARM_UP):
            step()
        torch.cuda.synchronize()
        warm_up = time.perf_counter() - started
        seconds = _seconds_per_step(step)
    peak = torch.cuda.max_memory_allocated() / 2**30
    operations = 0 if compiled else _operations(step)
    return _figures(case, seconds, peak, operations) | {"warm_up_s": round(warm_up, 1)}


def _seconds_per_step(step: Callable[[], None]) -> float:
    rounds = []
    began = time.perf_counter()
    while len(rounds) < 3 or time.perf_counter() - began < _SECONDS:
        started = time.perf_counter()
        for _ in range(3):
            step()
        torch.cuda.synchronize()
        rounds.append((time.perf_counter() - started) / 3)
    return statistics.median(rounds)


def _operations(step: Callable[[], None]) -> int:
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def _figures(case: Case, seconds: float, peak_gib: float, operations: int) -> dict[str, float]:
    figures = {
        "images_per_s": round(case.batch_size / seconds, 1),
        "ms_per_step": round(seconds * 1000, 2),
        "memory_gib": round(peak_gib, 2),
    }
    if operations:
        tflops = operations / seconds / 1e12
        figures["tflops"] = round(tflops, 1)
        peak = next((value for name, value in _PEAK_TFLOPS.items() if name in torch.cuda.get_device_name(0)), None)
        if peak is not None:
            figures["share_of_bf16_peak"] = round(tflops / peak, 4)
    return figures


class _Clock(Callback):
    """Notes when each batch ends; a step ends by waiting for its gradients, so the GPU is not far behind."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        self.ends.append(time.perf_counter())


def whole_run(case: Case, precision: str = "bf16-mixed") -> dict[str, float]:
    """Return the speed of ``fit``: the mean time between two steps of its second epoch."""
    section = {**case.model, "save_eval_images_every_n_epochs": -1}
    compute = {"accelerator": "cuda", "precision": precision, "num_devices": 1}
    content = {"model_config": section, "batch_size": case.batch_size, "num_epochs": 2, "compute": compute}
    config = validate(Document("benchmark", content)).config
    spec = synthetic_spec(case.shape, 1, "unlabeled")
    torch.manual_seed(0)
    module = build_module(config.model.model_dump(mode="json"), spec)
    clock = _Clock()
    torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        steps = 12
        data = synthetic_data(
            spec, root, samples=case.batch_size * steps, batch_size=case.batch_size, phases=("train",)
        )
        fit(module, data, config, ModelFolder(root / "run"), Console(quiet=True), callbacks=[clock])
    between = [later - sooner for sooner, later in zip(clock.ends, clock.ends[1:], strict=False)]
    within = [seconds for place, seconds in enumerate(between, 1) if place > steps and place % steps]
    return _figures(case, statistics.mean(within), torch.cuda.max_memory_allocated() / 2**30, 0)


def pictures(csv: Path, minutes: float, folder: Path) -> dict[str, Any]:
    """Train a flow of 128×128 pictures on ``csv`` with the command line, and keep its sheet; return what it says."""
    program = [sys.executable, "-m", "gandlf_synth"]
    model = {"model_name": "flow_matching", "tensor_shape": [128, 128], "architecture": _WIDE}
    with tempfile.TemporaryDirectory() as place:
        config, model_dir = Path(place) / "config.yaml", Path(place) / "model"
        config.write_text(json.dumps({"model_config": model, "num_epochs": 1000}))
        train = ["train", "-c", config, "-dt", csv, "-m-dir", model_dir, "-vr", "0.1", "--minutes", minutes, "-rt"]
        made = ["generate", "-m-dir", model_dir, "-n", "16", "--batch-size", "16"]
        for words in (train, made):
            subprocess.run([*program, *map(str, words)], check=True)
        record = json.loads(ModelFolder(model_dir).record.read_text())
        sheet = next(model_dir.rglob("contact_sheet.png"))
        shutil.copy(sheet, folder / "gpu_flow_matching_128.png")
    return {"minutes": minutes, **{key: record[key] for key in ("epochs", "steps", "seconds", "metrics")}}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("-o", "--output", type=Path, default=_RESULTS)
    parser.add_argument("--cases", nargs="*", default=[*CASES, *FITTED])
    parser.add_argument("--csv", type=Path, help="pictures to train on; absent: no training")
    parser.add_argument("--minutes", type=float, default=3.0)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        parser.exit(0, "no CUDA device: nothing to measure\n")
    card = torch.cuda.get_device_properties(0)
    setting = {"gpu": card.name, "gib": round(card.total_memory / 2**30, 1), "versions": software_versions()}
    result: dict[str, Any] = {"setting": setting, "cases": {}}
    options.output.parent.mkdir(parents=True, exist_ok=True)

    def keep(case: str, name: str, figures: dict[str, Any]) -> None:
        result["cases"].setdefault(case, {})[name] = figures
        options.output.write_text(json.dumps(result, indent=2) + "\n")
        print(case, name, figures, flush=True)

    chosen = [name for name in CASES if name in options.cases]
    for name in chosen:
        for lever in _ALWAYS:
            keep(name, lever, _attempt(bare_loop, CASES[name], **LEVERS[lever]))
        keep(name, "fit, bf16", _attempt(whole_run, CASES[name]))
    for name in [each for each in FITTED if each in options.cases]:
        keep(name, "fit, bf16", _attempt(whole_run, FITTED[name]))
    for lever in [each for each in LEVERS if each not in _ALWAYS]:
        for name in [each for each in chosen if CASES[each].levers]:
            keep(name, lever, _attempt(bare_loop, CASES[name], **LEVERS[lever]))
    if options.csv is not None:
        keep("training", "flow_matching_128", pictures(options.csv, options.minutes, options.output.parent))


def _attempt(measure: Callable[..., dict[str, float]], case: Case, **levers: bool) -> dict[str, Any]:
    """Return what ``measure`` does, or why there is nothing, so that the other figures are still taken."""
    try:
        figures: dict[str, Any] = measure(case, **levers)
    except RuntimeError as error:  # out of memory among them
        figures = {"failed": str(error).splitlines()[0]}
    torch.cuda.empty_cache()
    return figures


if __name__ == "__main__":
    main()
