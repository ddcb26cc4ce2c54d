"""``python -m benchmarks.levers [-o JSON] [--compile]``: what each lever does to a bare step of ddpm, 64×64, batch 16.

Levers are measured in turns, round after round, so that what else the machine does falls on all of them.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from gandlf_synth.models.build import build_module
from gandlf_synth.testing import synthetic_spec

_RESULTS = Path(__file__).parent / "results" / "levers_cpu.json"
_SHAPE, _BATCH, _WARM_UP = (64, 64), 16, 2
Step = Callable[[], None]


def step_of(
    *, bf16: bool = False, channels_last: bool = False, fused: bool = False, compiled: bool = False, math: bool = False
) -> Step:
    """Return a function that takes one training step of the default ddpm.

    Args:
        bf16: autocast to bfloat16.
        channels_last: weights and images with channels innermost.
        fused: one kernel for the whole optimizer step.
        compiled: ``torch.compile``.
        math: attention as plain matrix products instead of the fused kernel.
    """
    torch.manual_seed(0)
    module: Any = build_module({"model_name": "ddpm", "architecture": {}}, synthetic_spec(_SHAPE, 1, "unlabeled"))
    form = torch.channels_last if channels_last else torch.contiguous_format
    module.to(memory_format=form)
    if compiled:
        module.compile_networks()
    optimizer = torch.optim.AdamW(module.parameters(), lr=5e-4, weight_decay=0.01, fused=fused or None)
    images = torch.randn(_BATCH, 1, *_SHAPE).clamp(-1, 1).contiguous(memory_format=form)
    backends = [SDPBackend.MATH] if math else [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16), sdpa_kernel(backends):
            loss: Tensor = module.process.training_loss(images, None)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()

    return step


LEVERS: dict[str, dict[str, bool]] = {
    "fp32, plain attention": {"math": True},
    "fp32": {},
    "fp32, channels_last": {"channels_last": True},
    "fp32, fused AdamW": {"fused": True},
    "bf16": {"bf16": True},
    "bf16, channels_last": {"bf16": True, "channels_last": True},
    "bf16, fused AdamW": {"bf16": True, "fused": True},
}
COMPILED = {"compile, bf16": {"bf16": True, "compiled": True}}


def measure(levers: dict[str, dict[str, bool]], repeats: int) -> dict[str, dict[str, float]]:
    """Return the median seconds of a step, and how much faster that is than plain fp32."""
    steps, warm_up = {}, {}
    for name, options in levers.items():
        steps[name] = step_of(**options)
        started = time.perf_counter()
        for _ in range(_WARM_UP):
            steps[name]()
        warm_up[name] = time.perf_counter() - started
    seconds: dict[str, list[float]] = {name: [] for name in levers}
    for _ in range(repeats):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(own) for name, own in seconds.items()}
    return {
        name: {
            "seconds_per_step": round(median, 4),
            "images_per_second": round(_BATCH / median, 1),
            "faster_than_fp32": round(medians["fp32"] / median, 3),
            "warm_up_seconds": round(warm_up[name], 1),
        }
        for name, median in medians.items()
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.levers")
    parser.add_argument("--compile", action="store_true", help="with torch.compile, which takes minutes")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("-o", "--output", type=Path, default=_RESULTS)
    options = parser.parse_args()
    setting = {"cores": os.cpu_count(), "torch": torch.__version__, "threads": torch.get_num_threads()}
    levers = {**LEVERS, **(COMPILED if options.compile else {})}
    result = {"setting": setting, "levers": measure(levers, options.repeats)}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
