"""What a GPU gives: images per second of a bare loop, of each lever, and of ``fit``; then pictures of a short training.

``python -m benchmarks.gpu [-o FILE] [--seconds 150] [--cases ddpm_64 …] [--levers bf16 …] [--csv FILE --minutes 3]``

The bare loop has its data on the GPU and does nothing but forward, backward, clipping and the optimizer's step; ``fit``
is a whole run with loader, averaging, logging and checkpoints. Every figure is written as soon as it is there, beside
those that the file has from an earlier run on the same card, so that a run that is cut short keeps what it measured.
"""

import argparse
import gc
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
from gandlf_synth.errors import GandlfSynthError
from gandlf_synth.files import atomic_path
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
_SECONDS, _WARM_UP = 0.6, 3


@dataclass(frozen=True, eq=False)
class Case:
    """One model at one size.

    Args:
        model: the ``model_config`` section.
        shape: voxels along each axis.
        batch_size: samples in a step.
        levers: also measured with the levers that are not measured first.
    """

    model: dict[str, Any]
    shape: tuple[int, ...]
    batch_size: int
    levers: bool = False


_LATENT = {
    "model_name": "latent_diffusion",
    "first_stage": {"model_name": "autoencoder_kl", "architecture": {}},
    "second_stage": {"model_name": "ddpm", "architecture": {}},
}
CASES = {
    "ddpm_64": Case({"model_name": "ddpm", "architecture": {}}, (64, 64), 32, levers=True),
    "ddpm_128_wide": Case({"model_name": "ddpm", "architecture": _WIDE}, (128, 128), 32, levers=True),
    "ddpm_128": Case({"model_name": "ddpm", "architecture": {}}, (128, 128), 32),
    "ddpm_256": Case({"model_name": "ddpm", "architecture": {}}, (256, 256), 8),
    "ddpm_96_3d": Case({"model_name": "ddpm", "architecture": {}}, (96, 96, 96), 2),
    "latent_diffusion_128_3d": Case(_LATENT, (128, 128, 128), 4),
}
FITTED = {
    "dcgan_64": Case({"model_name": "dcgan", "architecture": {}}, (64, 64), 32),
    "stylegan2_64": Case({"model_name": "stylegan2", "architecture": {}}, (64, 64), 32),
    "vqvae_64": Case({"model_name": "vqvae", "architecture": {}}, (64, 64), 32),
    "autoencoder_kl_64": Case({"model_name": "autoencoder_kl", "architecture": {}}, (64, 64), 32),
}
LEVERS: dict[str, dict[str, bool]] = {
    "fp32": {},
    "tf32": {"tf32": True},
    "bf16": {"tf32": True, "bf16": True},
    "bf16, fused AdamW": {"tf32": True, "bf16": True, "fused": True},
    "bf16, fused AdamW, CUDA graphs": {"tf32": True, "bf16": True, "fused": True, "graphs": True},
    "bf16, channels_last": {"tf32": True, "bf16": True, "channels_last": True},
    "bf16, cudnn.benchmark": {"tf32": True, "bf16": True, "benchmark": True},
    "bf16, data from the CPU": {"tf32": True, "bf16": True, "data_on_cpu": True},
    "bf16, all but compile": {
        "tf32": True, "bf16": True, "fused": True, "graphs": True, "channels_last": True, "benchmark": True,
    },
    "bf16, compile": {"tf32": True, "bf16": True, "fused": True, "compiled": True},
}  # fmt: skip
_FIT = "fit, {}"
_CHOICES = {("cuda_graphs", False): "no CUDA graphs", ("compile", True): "compile"}
_FIRST = ("fp32", "bf16", "bf16, fused AdamW", "bf16, fused AdamW, CUDA graphs")


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
    graphs: bool = False,
    compiled: bool = False,
    benchmark: bool = False,
    data_on_cpu: bool = False,
) -> dict[str, float]:
    """Return the speed and the memory of training steps that do nothing else."""
    torch.manual_seed(0)
    content = {"model_config": case.model, "batch_size": case.batch_size}
    model = validate(Document("benchmark", content)).config.model
    module: Any = build_module(model.model_dump(mode="json"), synthetic_spec(case.shape, 1, "unlabeled")).cuda()
    images = torch.randn(case.batch_size, *module.noise_shape, device="cuda").clamp(-1, 1)
    pinned = images.cpu().pin_memory()
    if channels_last:
        form = torch.channels_last if images.ndim == 4 else torch.channels_last_3d
        module.process.to(memory_format=form)
        images = images.contiguous(memory_format=form)
    if compiled:
        module.compile_networks()
    weights = [each for each in module.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=5e-4, weight_decay=0.01, fused=fused or None)

    def step() -> None:
        with torch.autocast("cuda", torch.bfloat16, enabled=bf16, cache_enabled=False):
            batch = pinned.cuda(non_blocking=True) if data_on_cpu else images
            loss = module.process.training_loss(batch, Condition())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()

    torch.cuda.reset_peak_memory_stats()
    with _numbers(tf32=tf32, benchmark=benchmark):
        started = time.perf_counter()
        if graphs:
            with torch.autocast("cuda", torch.bfloat16, enabled=bf16, cache_enabled=False):
                module.process.denoiser = _as_graphs(module.process.denoiser, images)
        for _ in range(_WARM_UP):
            step()
        torch.cuda.synchronize()
        warm_up = time.perf_counter() - started
        seconds = _seconds_per_step(step)
        peak = torch.cuda.max_memory_allocated() / 2**30
        if case not in _operations and not (compiled or graphs):
            _operations[case] = _count_operations(step)
    return _figures(case, seconds, peak) | {"warm_up_s": round(warm_up, 1)}


class _Unconditional(torch.nn.Module):
    """A denoiser that knows no condition, with what it needs in places as CUDA graphs want it."""

    def __init__(self, denoiser: torch.nn.Module) -> None:
        super().__init__()
        self.denoiser = denoiser

    def forward(self, noisy: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        prediction: torch.Tensor = self.denoiser(noisy, timesteps)
        return prediction


def _as_graphs(denoiser: torch.nn.Module, images: torch.Tensor) -> torch.nn.Module:
    inputs = (images.clone(), torch.zeros(len(images), dtype=torch.long, device="cuda"))
    graphed: Any = torch.cuda.make_graphed_callables(_Unconditional(denoiser), inputs, allow_unused_input=True)
    network: torch.nn.Module = graphed
    return network


def _seconds_per_step(step: Callable[[], None]) -> float:
    """Return the median over rounds of about a quarter of a second, each ended by waiting for the GPU."""
    rounds: list[float] = []
    steps = 1
    began = time.perf_counter()
    while len(rounds) < 3 or time.perf_counter() - began < _SECONDS:
        started = time.perf_counter()
        for _ in range(steps):
            step()
        torch.cuda.synchronize()
        rounds.append((time.perf_counter() - started) / steps)
        steps = max(1, min(20, round(0.25 / rounds[-1])))
    return statistics.median(rounds)


_operations: dict[Case, int] = {}
"""Floating-point operations of a step, which no lever changes."""


def _count_operations(step: Callable[[], None]) -> int:
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def _figures(case: Case, seconds: float, peak_gib: float) -> dict[str, float]:
    figures = {
        "images_per_s": round(case.batch_size / seconds, 1),
        "ms_per_step": round(seconds * 1000, 2),
        "memory_gib": round(peak_gib, 2),
    }
    if case in _operations:
        tflops = _operations[case] / seconds / 1e12
        figures["tflops"] = round(tflops, 1)
        peak = next((value for name, value in _PEAK_TFLOPS.items() if name in torch.cuda.get_device_name(0)), None)
        if peak is not None:
            figures["share_of_bf16_peak"] = round(tflops / peak, 4)
    return figures


class _Clock(Callback):
    """Takes the time of an epoch but for its first steps; waits for the GPU before and after."""

    def __init__(self, *, epoch: int, first: int, steps: int) -> None:
        self.epoch, self.first, self.steps = epoch, first, steps
        self.seconds = 0.0

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if (trainer.current_epoch, batch_idx) == (self.epoch, self.first):
            torch.cuda.synchronize()
            self._started = time.perf_counter()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if (trainer.current_epoch, batch_idx) == (self.epoch, self.steps - 1):
            torch.cuda.synchronize()
            self.seconds = (time.perf_counter() - self._started) / (self.steps - self.first)


def whole_run(case: Case, precision: str = "bf16-mixed", **compute: bool) -> dict[str, float]:
    """Return the speed of ``fit``: the mean time of a step of its second epoch."""
    section = {**case.model, "save_eval_images_every_n_epochs": -1}
    chosen = {"accelerator": "cuda", "precision": precision, "num_devices": 1, **compute}
    content = {"model_config": section, "batch_size": case.batch_size, "num_epochs": 2, "compute": chosen}
    config = validate(Document("benchmark", content)).config
    spec = synthetic_spec(case.shape, 1, "unlabeled")
    torch.manual_seed(0)
    module = build_module(config.model.model_dump(mode="json"), spec)
    steps = 24 if len(case.shape) == 2 else 10
    clock = _Clock(epoch=1, first=4, steps=steps)
    torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = synthetic_data(
            spec, root, samples=case.batch_size * steps, batch_size=case.batch_size, phases=("train",)
        )
        fit(module, data, config, ModelFolder(root / "run"), Console(quiet=True), callbacks=[clock])
    return _figures(case, clock.seconds, torch.cuda.max_memory_allocated() / 2**30)


def pictures(csv: Path, minutes: float, folder: Path, count: int = 300) -> dict[str, Any]:
    """Train a flow of 128×128 pictures on ``csv`` with the command line; keep images and sheet in ``folder``."""
    program = [sys.executable, "-m", "gandlf_synth"]
    model = {"model_name": "flow_matching", "tensor_shape": [128, 128], "architecture": _WIDE}
    made_in = folder / "gpu_flow_matching_128"
    with tempfile.TemporaryDirectory() as place:
        config, model_dir = Path(place) / "config.yaml", Path(place) / "model"
        config.write_text(json.dumps({"model_config": model, "num_epochs": 1000}))
        train = ["train", "-c", config, "-dt", csv, "-m-dir", model_dir, "-vr", "0.1", "--minutes", minutes, "-rt"]
        made = ["generate", "-m-dir", model_dir, "-n", count, "--batch-size", 50, "--format", "png", "-i-dir", made_in]
        took = {}
        for words in (train, made):
            started = time.perf_counter()
            subprocess.run([*program, *map(str, words)], check=True)
            took[words[0]] = round(time.perf_counter() - started, 1)
        record = json.loads(ModelFolder(model_dir).record.read_text())
        shutil.copy(next(made_in.rglob("contact_sheet.png")), folder / "gpu_flow_matching_128.png")
    return {"minutes": minutes, "took_s": took} | {
        key: record[key] for key in ("epochs", "steps", "seconds", "metrics")
    }


@dataclass(frozen=True)
class Measurement:
    """One figure: a case, how it is run, and what measures it."""

    case: str
    lever: str
    measure: Callable[[], dict[str, float]]


def measurements() -> list[Measurement]:
    """Return everything there is to measure, in order of worth."""
    every = [name for name in LEVERS if name not in _FIRST]

    def bare(name: str, lever: str) -> Measurement:
        return Measurement(name, lever, lambda: bare_loop(CASES[name], **LEVERS[lever]))

    def run(name: str, precision: str, **compute: bool) -> Measurement:
        case = (CASES | FITTED)[name]
        words = ", ".join(
            [{"bf16-mixed": "bf16", "32-true": "fp32"}[precision], *(_CHOICES[choice] for choice in compute.items())]
        )
        return Measurement(name, _FIT.format(words), lambda: whole_run(case, precision, **compute))

    return [
        *(each for name in CASES for each in (*(bare(name, lever) for lever in _FIRST), run(name, "bf16-mixed"))),
        *(run(name, "bf16-mixed", cuda_graphs=False) for name in CASES),
        *(run(name, precision) for name in FITTED for precision in ("32-true", "bf16-mixed")),
        *(bare(name, lever) for lever in every for name in CASES if CASES[name].levers),
        *(run(name, "bf16-mixed", compile=True) for name in CASES if CASES[name].levers),
    ]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("-o", "--output", type=Path, default=_RESULTS)
    parser.add_argument("--cases", nargs="*", help="only these; absent: all")
    parser.add_argument("--levers", nargs="*", help="only these; absent: all")
    parser.add_argument("--seconds", type=float, default=150.0, help="begin nothing after so long")
    parser.add_argument("--csv", type=Path, help="pictures to train on; absent: no training")
    parser.add_argument("--minutes", type=float, default=3.0)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        parser.exit(0, "no CUDA device: nothing to measure\n")
    began = time.monotonic()
    result = _opened(options.output)

    def keep(case: str, lever: str, figures: dict[str, Any]) -> None:
        result["cases"].setdefault(case, {})[lever] = figures
        with atomic_path(options.output) as temporary:
            temporary.write_text(json.dumps(result, indent=2) + "\n")
        print(f"{time.monotonic() - began:5.0f} s", case, lever, figures, flush=True)

    for each in measurements():
        wanted = (options.cases is None or each.case in options.cases) and (
            options.levers is None or each.lever in options.levers
        )
        if wanted and time.monotonic() - began < options.seconds:
            keep(each.case, each.lever, _attempt(each.measure))
    if options.csv is not None:
        keep("training", "flow_matching_128", pictures(options.csv, options.minutes, options.output.parent))


def _opened(path: Path) -> dict[str, Any]:
    """Return what ``path`` holds of this card and this software, else an empty result."""
    card = torch.cuda.get_device_properties(0)
    setting = {"gpu": card.name, "gib": round(card.total_memory / 2**30, 1), "versions": software_versions()}
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        result: dict[str, Any] = json.loads(path.read_text())
        if setting.items() <= result["setting"].items():
            return result
    return {"setting": setting, "cases": {}}


def _attempt(measure: Callable[[], dict[str, float]]) -> dict[str, Any]:
    """Return what ``measure`` does, or why there is nothing, so that the other figures are still taken."""
    try:
        figures: dict[str, Any] = measure()
    except (RuntimeError, GandlfSynthError) as error:  # out of memory among them
        figures = {"failed": " ".join(str(error).splitlines()[:3])[:300]}
    gc.collect()  # graphs and optimizers hold one another
    torch.cuda.empty_cache()
    return figures


if __name__ == "__main__":
    main()
