"""Where a model and its images come from: seeds, fingerprints, versions, hardware."""

import hashlib
import json
import platform
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel, ConfigDict

SYNTHETIC_MARK = "SYNTHETIC image by GaNDLF-Synth; not of a patient"
"""Written into every generated file that has room for a text."""

_RECORDED_PACKAGES = ("gandlf-synth", "torch", "lightning", "monai", "diffusers", "torchio", "numpy", "nibabel")


def digest(content: Any) -> str:
    """Return 16 hexadecimal digits that stand for ``content`` (anything JSON can hold), whatever the key order."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def fold_seed(seed: int, *parts: int) -> int:
    """Return a seed for one purpose (an image, a step, a rank) that is independent of every other purpose's.

    Args:
        seed: the user's seed.
        parts: what tells the purposes apart, such as an image index.

    Returns:
        An integer in [0, 2**63).
    """
    text = ",".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


@cache
def software_versions() -> dict[str, str]:
    """Return the installed version of every package that decides what a model computes."""
    found = {"python": platform.python_version()}
    for package in _RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


class RunRecord(BaseModel):
    """What one training run was made of and how it ended; ``run.json`` in the model folder."""

    model_config = ConfigDict(extra="forbid")

    command: str
    """The call that repeats the run."""
    model_name: str
    config_digest: str
    data_digest: str
    seed: int
    versions: dict[str, str]
    hardware: dict[str, Any]
    started: str
    """Local time, ISO 8601."""
    seconds: float = 0.0
    epochs: int = 0
    steps: int = 0
    peak_memory_mb: float = 0.0
    """The largest resident memory of the process, MiB."""
    metrics: dict[str, float] = {}
    notes: list[str] = []
    """Every automatic choice and everything that was set aside."""


def data_digest(entries: Iterable[tuple[str, ...]]) -> str:
    """Return a digest of a data set from its rows (relative names, sizes, labels), in any order."""
    return digest(sorted(entries))
