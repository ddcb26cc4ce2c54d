"""``python -m benchmarks.memory [-o JSON]``: the largest cubic volume that trains (batch 1) in 8 GB, per family.

Peak resident memory is measured in a process of its own per size; memory grows with the number of voxels, so that the
line through the smallest and the largest size gives the rest. The size in between says how far off the line is.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_RESULTS = Path(__file__).parent / "results" / "memory_cpu.json"
_LIMIT_MIB = 8 * 1024
_MULTIPLE = 8
_AUTOENCODER = {"num_channels": [32, 64, 64], "norm_num_groups": 16}
_LATENT = {
    "model_name": "latent_diffusion",
    "first_stage": {"model_name": "autoencoder_kl", "architecture": {}},
    "second_stage": {"model_name": "ddpm", "architecture": {}},
}
CASES: dict[str, tuple[dict[str, Any], tuple[int, int, int]]] = {
    "ddpm": ({"model_name": "ddpm", "architecture": {}}, (32, 40, 48)),
    "autoencoder_kl": ({"model_name": "autoencoder_kl", "architecture": _AUTOENCODER}, (32, 48, 64)),
    "autoencoder_kl, activation_checkpointing": (
        {"model_name": "autoencoder_kl", "architecture": {**_AUTOENCODER, "activation_checkpointing": True}},
        (32, 48, 64),
    ),
    "latent_diffusion, second stage": (_LATENT, (32, 64, 96)),
}


def main() -> None:
    """Measure every case, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory")
    parser.add_argument("--one", nargs=2, metavar=("CASE", "SIDE"), help="measure one, and print the peak in MiB")
    parser.add_argument("-o", "--output", type=Path, default=_RESULTS)
    options = parser.parse_args()
    if options.one:
        print(peak_of(CASES[options.one[0]][0], int(options.one[1])))
        return
    cases = {name: _case(name, sides) for name, (_, sides) in CASES.items()}
    result = {"limit_mib": _LIMIT_MIB, "batch_size": 1, "precision": "bf16-mixed", "cases": cases}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n")


def peak_of(section: dict[str, Any], side: int) -> float:
    """Return the peak resident memory of a process that takes two training steps, MiB."""
    from rich.console import Console

    from gandlf_synth.config import Document, validate
    from gandlf_synth.launcher import peak_memory_mb
    from gandlf_synth.model_folder import ModelFolder
    from gandlf_synth.models.build import build_module
    from gandlf_synth.testing import synthetic_data, synthetic_spec
    from gandlf_synth.training.fit import fit

    content = {"model_config": {**section, "save_eval_images_every_n_epochs": -1}, "num_epochs": 1, "batch_size": 1}
    config = validate(
        Document("memory", {**content, "compute": {"accelerator": "cpu", "precision": "bf16-mixed"}})
    ).config
    spec = synthetic_spec((side,) * 3, 1, "unlabeled")
    with TemporaryDirectory() as folder:
        data = synthetic_data(spec, Path(folder), samples=2, batch_size=1, phases=("train",))
        module = build_module(config.model.model_dump(mode="json"), spec)
        fit(module, data, config, ModelFolder(Path(folder) / "model"), Console(quiet=True))
    return peak_memory_mb()


def _case(name: str, sides: tuple[int, int, int]) -> dict[str, Any]:
    peaks = {}
    for side in sides:
        command = [sys.executable, "-m", "benchmarks.memory", "--one", name, str(side)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks[side] = float(done.stdout.split()[-1])
        print(name, side, peaks[side], flush=True)
    small, middle, large = sides
    per_voxel = (peaks[large] - peaks[small]) / (large**3 - small**3)
    fixed = peaks[small] - per_voxel * small**3
    largest = int(((_LIMIT_MIB - fixed) / per_voxel) ** (1 / 3)) // _MULTIPLE * _MULTIPLE
    estimated = fixed + per_voxel * middle**3
    return {
        "peak_mib": peaks,
        "fixed_mib": round(fixed),
        "bytes_per_voxel": round(per_voxel * 2**20),
        "largest_side_in_8_gib": largest,
        "error_of_the_line_in_between": round(estimated / peaks[middle] - 1, 3),
    }


if __name__ == "__main__":
    main()
