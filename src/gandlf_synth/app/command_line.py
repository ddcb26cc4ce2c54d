"""The command that makes the same images again."""

import os
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from gandlf_synth.api import GenerationRequest


def command_for(request: GenerationRequest, plugins: Sequence[Path] = ()) -> str:
    """Return the command that does what ``api.generate(request)`` does, but for where the images go.

    Example:
        >>> command_for(GenerationRequest("/m", counts={"glioma": 2}, seed=7, num_inference_steps=25))
        'gandlf-synth generate -m-dir /m -n glioma=2 --seed 7 --steps 25'
    """
    words = ["gandlf-synth", *_words(request)]
    for plugin in plugins:
        words += ["--plugin", str(plugin)]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _words(request: GenerationRequest) -> Iterator[str]:
    yield from ("generate", "-m-dir", str(request.model_dir.absolute()))
    counts = request.counts
    for count in [str(counts)] if isinstance(counts, int) else [f"{name}={n}" for name, n in (counts or {}).items()]:
        yield from ("-n", count)
    options = {
        "-dt": request.csv, "-ckpt-path": request.checkpoint, "--seed": request.seed,
        "--steps": request.num_inference_steps, "--sampler": request.sampler,
        "--guidance-scale": request.guidance_scale, "--n-samples": request.n_samples, "--format": request.output_format,
        "--refuse-copies": request.refuse_copies,
    }  # fmt: skip
    for flag, value in options.items():
        if value is not None:
            yield from (flag, str(value.absolute() if isinstance(value, Path) else value))
