"""Weights in torch hub's folder: those that lie there already, and those that the user lets us fetch."""

import sys
from pathlib import Path
from urllib.parse import urlparse

import torch

from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.metrics.extractors.base import sha256


def place_of(url: str) -> Path:
    """Return where torch hub keeps what is at ``url``, whether it is there or not."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name


def kept(url: str) -> Path | None:
    """Return the file that was fetched from ``url`` before, or None; its name ends with the start of its SHA-256.

    Raises:
        ConfigError: its content is another one.
    """
    path = place_of(url)
    if not path.is_file():
        return None
    wanted, found = _start_of_hash(path), sha256(path)
    if not found.startswith(wanted):
        what = f"is damaged: its SHA-256 starts with {found[: len(wanted)]} instead of {wanted}"
        raise ConfigError(Problem(str(path), what, fix="delete it"))
    return path


def fetch(url: str) -> Path:
    """Return the file at ``url``, fetched into torch hub's folder and compared with the hash in its name.

    Raises:
        ConfigError: it cannot be fetched, or is another file; nothing is kept then.
    """
    path = place_of(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), _start_of_hash(path), progress=sys.stderr.isatty())
    except (OSError, RuntimeError) as error:
        fix = "fetch it on another machine and name the file with --extractor-weights"
        raise ConfigError(Problem("--allow-download", f"{url} could not be fetched: {error}", fix=fix)) from error
    return path


def _start_of_hash(path: Path) -> str:
    return path.stem.rpartition("-")[2]
