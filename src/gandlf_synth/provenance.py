"""Where a model and its images come from: seeds, fingerprints, versions, hardware."""

import hashlib
import json
import platform
from collections.abc import Iterable
from enum import Enum
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel, ConfigDict, JsonValue

from gandlf_synth.launcher import Hardware

SYNTHETIC_MARK = "SYNTHETIC image by GaNDLF-Synth; not of a patient"
"""Written into every generated file that has room for a text."""

DERIVED_MARK = "SYNTHETIC image by GaNDLF-Synth; made from images of a patient"
"""Written instead into what is made from given images, which may show the patient of these."""

NOT_STATED = "not stated"
"""What is on record where nothing says the terms of a model."""

_RECORDED_PACKAGES = ("gandlf-synth", "torch", "lightning", "monai", "diffusers", "torchio", "numpy", "nibabel")


def digest(content: Any) -> str:
    """Return 16 hexadecimal digits that stand for ``content`` (anything JSON can hold), whatever the key order."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Purpose(Enum):
    """What a stream of random numbers is for.

    A member says what for, which parts tell its numbers apart, and how they end. A new purpose gets a word as its
    ending, which keeps its numbers apart from those of all others. The purposes without a word are older than this
    rule, and models and images on disk depend on their numbers.
    """

    IMAGE = "the noise of a synthetic image", ("image",)
    GRID_IMAGE = "the noise of an image in a sample grid", ("image",)
    IMAGE_AGAIN = "the noise of an image that replaces a refused one; the seed is that one's", ("try, from 1",)
    ROW_IMAGE = "the noise of an image that is made from a row of a CSV", ("row", "draw"), ("row",)
    STEP = "the generator of torch in a training step; rank 0 for all processes", ("rank", "epoch", "batch")
    AUGMENTATION = "the random transforms of a training sample", ("epoch", "sample")
    PATCHES = "where the patches of a volume lie", ("epoch", "sample"), (1,)
    CONDITION = "what is random in the condition of a sample", ("epoch", "sample"), ("condition",)
    UNPAIRED = "which source stands beside an image that has none", ("epoch", "sample"), ("unpaired",)
    PREVIEW = "the random transforms of a sample in a preview", ("row", "draw")
    VALIDATION_NOISE = "the noise and its levels that val_loss is measured with", ("batch", "rank")
    VALIDATION_IMAGE = "the noise of an image that is compared with validation", ("rank", "batch", "place")
    MEASURED_SPLIT = "which real images are measured during training", ("0 validation, 1 training",)

    def __init__(self, text: str, parts: tuple[str, ...], ending: tuple[int | str, ...] = ()) -> None:
        self.text = text
        self.parts = parts
        self.ending = ending


def fold_seed(seed: int, purpose: Purpose, *parts: int) -> int:
    """Return a seed for one use, such as an image or a step, that is independent of every other use's.

    Args:
        seed: the user's seed.
        purpose: what the random numbers are for.
        parts: one number for each of ``purpose.parts``.

    Returns:
        An integer in [0, 2**63).

    Raises:
        TypeError: there are more or fewer parts than the purpose has.

    >>> fold_seed(42, Purpose.IMAGE, 0) == fold_seed(42, Purpose.IMAGE, 0)
    True
    >>> fold_seed(42, Purpose.IMAGE, 0) == fold_seed(42, Purpose.IMAGE, 1)
    False
    """
    if len(parts) != len(purpose.parts):
        raise TypeError(f"{purpose.name} takes {len(purpose.parts)} parts {purpose.parts}, not {len(parts)}")
    text = ",".join(str(part) for part in (seed, *parts, *purpose.ending))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


@cache
def software_versions() -> dict[str, str]:
    """Return the installed version of every package that decides what a model computes."""
    versions = {"python": platform.python_version()}
    for package in _RECORDED_PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


class Session(BaseModel):
    """One call of ``train`` on a model folder: the first, or one that went on with the run."""

    model_config = ConfigDict(extra="forbid")

    command: str
    """The call."""
    started: str
    """Local time, ISO 8601."""
    ended: str = ""
    """Local time, ISO 8601; empty where the session was stopped or killed."""
    seconds: float = 0.0
    """Of training; of a session that was killed, until its last checkpoint."""
    epochs: int = 0
    """Finished by the run when the session ended."""
    steps: int = 0
    """Taken by the run when the session ended."""
    in_force: dict[str, JsonValue] = {}
    """What a run may change when it goes on: how long, in which batches, with which optimizers, on which devices."""
    changes: list[str] = []
    """What was not as in the session before, one line per value."""


class RunRecord(BaseModel):
    """What one training run was made of and how it ended; ``run.json`` in the model folder.

    Of a run in several sessions, numbers are those of all of them together; versions and hardware those of the last.
    """

    model_config = ConfigDict(extra="forbid")

    command: str
    """The call that began the run."""
    model_name: str
    config_digest: str
    """Of every value in force, but for the places of files and trackers."""
    data_digest: str
    """Of the images' content, labels and splits; not of names and places."""
    split_ratios: dict[str, float] = {}
    """The fractions of subjects that were split off the training CSV."""
    seed: int
    versions: dict[str, str]
    hardware: Hardware
    started: str
    """Local time, ISO 8601."""
    expected: dict[str, float] = {}
    """What was expected before it began, where that was measured: steps, images, seconds, memory_mb."""
    seconds: float = 0.0
    """Of training."""
    epochs: int = 0
    steps: int = 0
    peak_memory_mb: float = 0.0
    """The largest resident memory of the process, MiB."""
    metrics: dict[str, float] = {}
    init_from: dict[str, JsonValue] = {}
    """The trained model that it started from: source, adapter, weights_sha256, license, origin, and how many weights
    were loaded, are new and were left over, and ``init_from`` again where that one started from another; empty where
    it began with random weights."""
    privacy: dict[str, JsonValue] = {}
    """What of a privacy budget was spent, and how; empty where the training had none. Numbers that images tell without
    noise (losses, digests, choices) are left out of the record then."""
    notes: list[str] = []
    """Every automatic choice and everything that was set aside."""
    sessions: list[Session] = []


def data_digest(entries: Iterable[tuple[str, ...]]) -> str:
    """Return a digest of a data set from what its rows give, in any order."""
    return digest(sorted(entries))
