"""``python -m benchmarks.scale [--rows N …] [--store-rows N …] [--remote]``: what large runs need.

With ``--rows`` only the commands are measured that look at every row of a CSV, with ``--store-rows`` the start from a
store, with ``--remote`` reading from one behind a server. Otherwise operations are counted on
tensors without storage, so that sizes beyond this machine cost nothing, and the input pipeline is simulated step by
step: ranks that compute in lockstep, each reading ahead from storage that all of them share.
"""

import argparse
import json
import random
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.remote_stores import measure_remote
from benchmarks.rows import measure_rows
from benchmarks.stores import measure_stores
from gandlf_synth.models.components.diffusion_config import DDPMArchitecture
from gandlf_synth.models.latent_diffusion.config import LatentDDPMArchitecture

_RESULTS = Path(__file__).parent / "results" / "scale.json"
PEAK_FLOPS = 989e12
"""Dense bf16 of an H100 SXM, from its data sheet."""
UTILISATION = 0.35
"""Share of the peak that convolutional U-Nets reach; an assumption, to be replaced by a measurement."""
_VALUE_BYTES = 4


@dataclass(frozen=True)
class Case:
    """A model at a size.

    Args:
        name: for the table.
        architecture: of the denoiser.
        channels: of what it denoises.
        shape: of what it denoises.
        stored: values of a prepared sample on disk.
        batch: samples per step and device.
    """

    name: str
    architecture: DDPMArchitecture
    channels: int
    shape: tuple[int, ...]
    stored: int
    batch: int


CASES = (
    Case("ddpm 128×128", DDPMArchitecture(), 1, (128, 128), 128**2, 64),
    Case("ddpm 64×64×64", DDPMArchitecture(), 1, (64, 64, 64), 64**3, 4),
    Case("latent_diffusion 128×128×128", LatentDDPMArchitecture(), 4, (32, 32, 32), 4 * 32**3, 8),
)


def forward_flops(case: Case) -> float:
    """Return the operations of one evaluation of the denoiser for one sample."""
    with torch.device("meta"):
        network = case.architecture.build(
            spatial_dims=len(case.shape), in_channels=case.channels, out_channels=case.channels
        )
        noisy, timesteps = torch.randn(1, case.channels, *case.shape), torch.zeros(1, dtype=torch.long)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(noisy, timesteps)
    return float(counter.get_total_flops())


def waiting_share(
    step_seconds: float, bytes_per_step: float, ranks: int, bandwidth: float, ahead: int = 2, steps: int = 400
) -> float:
    """Return the share of time that ranks in lockstep wait for storage with ``bandwidth`` bytes a second for all.

    Each rank asks for the next batch as soon as a place among its ``ahead`` is free; storage serves one request after
    another, and how long each takes varies by a log-normal factor with a spread of 30 %.
    """
    rng = random.Random(0)  # noqa: S311
    free_at, now, waited = 0.0, 0.0, 0.0
    ready: list[list[float]] = [[] for _ in range(ranks)]
    for _ in range(ahead):
        for queue in ready:
            free_at += bytes_per_step / bandwidth * rng.lognormvariate(0, 0.3)
            queue.append(free_at)
    for _ in range(steps):
        begins = max(now, *(queue.pop(0) for queue in ready))
        waited += begins - now
        now = begins + step_seconds
        free_at = max(free_at, begins)
        for queue in ready:
            free_at += bytes_per_step / bandwidth * rng.lognormvariate(0, 0.3)
            queue.append(free_at)
    return waited / now


def project(case: Case, volumes: float, devices: int, images: float, sampling_steps: int) -> dict[str, Any]:
    """Return what an epoch over ``volumes`` and the making of ``images`` need on ``devices``."""
    forward = forward_flops(case)
    rate = PEAK_FLOPS * UTILISATION
    step_seconds = 3 * forward * case.batch / rate
    bytes_per_step = case.stored * _VALUE_BYTES * case.batch
    needed = devices * bytes_per_step / step_seconds
    return {
        "case": case.name,
        "values": case.channels * prod(case.shape),
        "forward_gflops_per_sample": round(forward / 1e9, 1),
        "step_milliseconds": round(1e3 * step_seconds, 1),
        "epoch_hours": round(volumes / (devices * case.batch) * step_seconds / 3600, 3),
        "prepared_terabytes": round(volumes * case.stored * _VALUE_BYTES / 1e12, 2),
        "gigabytes_per_second": round(needed / 1e9, 2),
        "waiting_share": {
            f"{share:g} of what is needed": round(
                waiting_share(step_seconds, bytes_per_step, devices, share * needed), 3
            )
            for share in (0.5, 1.0, 1.2, 2.0)
        },
        "generation_hours": round(images * sampling_steps * forward / (devices * rate) / 3600, 2),
    }


def _projections(options: argparse.Namespace) -> dict[str, Any]:
    assumed = {"peak_flops": PEAK_FLOPS, "utilisation": UTILISATION}
    setting = {name: getattr(options, name) for name in ("volumes", "devices", "images", "sampling_steps")}
    rows = [project(case, options.volumes, options.devices, options.images, options.sampling_steps) for case in CASES]
    return {"setting": {**setting, **assumed}, "cases": rows}


def main() -> None:
    """Count, simulate, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("--volumes", type=float, default=1e6)
    parser.add_argument("--devices", type=int, default=64)
    parser.add_argument("--images", type=float, default=1e7)
    parser.add_argument("--sampling-steps", type=int, default=50)
    parser.add_argument("-o", "--output", type=Path, default=_RESULTS)
    parser.add_argument("--rows", type=int, nargs="+", default=[])
    parser.add_argument("--store-rows", type=int, nargs="+", default=[])
    parser.add_argument("--remote", action="store_true")
    options = parser.parse_args()
    result = json.loads(options.output.read_text()) if options.output.is_file() else {}
    if options.rows:
        result["by_rows"] = measure_rows(options.rows)
    if options.store_rows:
        result["stores"] = measure_stores(options.store_rows)
    if options.remote:
        result["remote_stores"] = measure_remote()
    if not (options.rows or options.store_rows or options.remote):
        result |= _projections(options)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
