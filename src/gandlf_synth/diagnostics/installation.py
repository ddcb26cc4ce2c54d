"""What is installed, and whether it works: versions, devices, extras, and one real training step on every device."""

import re
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import torch

from gandlf_synth.data.formats.cache_folder import default_cache
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.launcher import Hardware, hardware
from gandlf_synth.models.build import build_module
from gandlf_synth.provenance import software_versions

_EXTRA = re.compile(r"^([\w.-]+).*;.*extra == ['\"](\w+)['\"]")
_FOR_DEVELOPERS = ("dev", "docs")


def installation() -> dict[str, dict[str, str]]:
    """Return versions, devices, extras with the line that installs a missing one, and the cache with its size."""
    return {
        "versions": dict(software_versions()),
        "devices": _devices(),
        "extras": _extras(),
        "cache of prepared data": _cache(default_cache()),
    }


def _devices() -> dict[str, str]:
    import psutil

    memory: Any = psutil.virtual_memory()
    devices = {"cpu": f"{psutil.cpu_count()} cores, {memory.total / 2**30:.0f} GiB memory"}
    if torch.backends.mps.is_available():
        devices["mps"] = "Apple GPU"
    elif not torch.cuda.device_count():
        devices["cuda"] = f"no GPU can be used: {_why_no_gpu()}"
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        devices[f"cuda:{index}"] = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    return devices


def _why_no_gpu() -> str:
    if torch.version.cuda is None and torch.version.hip is None:
        return f"torch {torch.__version__} is built for the CPU; see https://pytorch.org/get-started for one with CUDA"
    try:
        torch.zeros(1, device="cuda")
    except (RuntimeError, AssertionError) as error:
        return f"torch is built for CUDA {torch.version.cuda}, and says: {str(error).splitlines()[0]}"
    return f"torch is built for CUDA {torch.version.cuda}, and finds no GPU"


def _extras() -> dict[str, str]:
    packages: dict[str, list[str]] = {}
    for requirement in requires("gandlf-synth") or []:
        match = _EXTRA.match(requirement)
        if match and match[2] not in _FOR_DEVELOPERS:
            packages.setdefault(match[2], []).append(match[1])
    return {extra: _state(extra, names) for extra, names in sorted(packages.items())}


def _state(extra: str, packages: list[str]) -> str:
    missing = [package for package in packages if not _is_installed(package)]
    if missing:
        return f"{', '.join(missing)} missing: pip install 'gandlf-synth[{extra}]'"
    return "there"


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _cache(folder: Path) -> dict[str, str]:
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else 0
    return {"folder": str(folder), "size": f"{size / 2**20:.0f} MiB"}


@dataclass(frozen=True)
class StepReport:
    """One training step on one device."""

    device: str
    name: str
    loss: float
    seconds: float


@dataclass(frozen=True)
class InstallReport:
    """Versions, hardware, and a step per device."""

    versions: dict[str, str]
    hardware: Hardware
    steps: list[StepReport]


def verify() -> InstallReport:
    """Return what is installed after a forward and a backward pass of ``ddpm`` on every device."""
    devices = {"cpu": "processor"}
    devices |= {f"cuda:{index}": torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())}
    if torch.backends.mps.is_available():
        devices["mps"] = "Apple GPU"
    return InstallReport(software_versions(), hardware(), [_step(device, name) for device, name in devices.items()])


def _step(device: str, name: str) -> StepReport:
    spec = DataSpec(
        spatial_dims=2, num_channels=1, shape=(16, 16), affine=((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)),
        physical=True, modality="rad", paradigm="unlabeled", low=(0.0,), high=(1.0,),
        range_scale=(1.0,), range_offset=(0.0,), dtype="float32", column_channels=(1,), column_names=("channel_0",),
    )  # fmt: skip
    started = time.monotonic()
    module = build_module({"model_name": "ddpm", "architecture": {}}, spec).to(device)
    batch = Batch(image=torch.zeros(2, 1, 16, 16, device=device), condition=Condition(), index=torch.arange(2))
    loss = module.training_step(batch, 0)
    loss.backward()
    return StepReport(device, name, float(loss.detach()), time.monotonic() - started)
