"""Files of weights: given by the user, found in torch hub's folder, or fetched when the user lets us."""

import hashlib
import pickle
import sys
from pathlib import Path
from urllib.parse import urlparse

import torch
from torch import Tensor

from gandlf_synth.errors import ConfigError, Problem, option


def require_weights(weights: Path | None, name: str, what: str) -> Path:
    """Return the file of weights.

    Raises:
        ConfigError: it is not given or does not exist.
    """
    if weights is None:
        fix = f"name the file with {option('extractor_weights')}; nothing is downloaded"
        raise ConfigError(Problem(f"{option('extractor')} {name}", "has no weights of its own", what, fix))
    if not weights.is_file():
        raise ConfigError(Problem(f"{option('extractor_weights')} {weights}", "does not exist", what))
    return weights


def refuse_weights(weights: Path | None, name: str) -> None:
    """Refuse a file of weights that would not be used.

    Raises:
        ConfigError: there is one.
    """
    if weights is not None:
        raise ConfigError(
            Problem(f"{option('extractor_weights')} {weights}", f"{name} brings its own weights", fix="drop it")
        )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the weights in a file, without running code that may be in it, and without ``module.`` before names.

    Raises:
        ConfigError: it holds no weights.
    """
    where = f"{option('extractor_weights')} {path}"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        what = "cannot be read as weights: it is damaged, no file of torch.save, or holds more than tensors"
        fix = "use the file that its authors publish; nothing in this one was run"
        raise ConfigError(Problem(where, what, "a state dict", fix)) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ConfigError(Problem(where, "holds no weights", "a state dict"))
    return {key.removeprefix("module."): value for key, value in state.items()}


def load_weights(network: torch.nn.Module, state: dict[str, Tensor], path: Path, unused: tuple[str, ...]) -> None:
    """Load ``state`` into ``network``; only names that start with one of ``unused`` may be left over.

    Raises:
        ConfigError: the weights are of another network.
    """
    used = {key: value for key, value in state.items() if not key.startswith(unused)}
    try:
        network.load_state_dict(used)
    except RuntimeError as error:
        summary = " ".join(str(error).split())[:300]
        raise ConfigError(
            Problem(f"{option('extractor_weights')} {path}", f"are of another network: {summary}")
        ) from error


def place_of(url: str) -> Path:
    """Return where torch hub keeps what is at ``url``, whether it is there or not."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name


def downloaded(url: str) -> Path | None:
    """Return the file that was fetched from ``url`` before, or None; its name ends with the start of its SHA-256.

    Raises:
        ConfigError: its content is another one.
    """
    path = place_of(url)
    if not path.is_file():
        return None
    start, whole = _start_of_hash(path), sha256(path)
    if not whole.startswith(start):
        what = f"is damaged: its SHA-256 starts with {whole[: len(start)]} instead of {start}"
        raise ConfigError(Problem(str(path), what, fix="delete it"))
    return path


def download(url: str) -> Path:
    """Return the file at ``url``, fetched into torch hub's folder and compared with the hash in its name.

    Raises:
        ConfigError: it cannot be fetched, or is another file; nothing is kept then.
    """
    path = place_of(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), _start_of_hash(path), progress=sys.stderr.isatty())
    except (OSError, RuntimeError) as error:
        fix = f"fetch it on another machine and name the file with {option('extractor_weights')}"
        raise ConfigError(Problem(option("allow_download"), f"{url} could not be fetched: {error}", fix=fix)) from error
    return path


def _start_of_hash(path: Path) -> str:
    return path.stem.rpartition("-")[2]
