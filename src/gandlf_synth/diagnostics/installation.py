"""What is installed and what is not, for people who look for the reason of a failure."""

import re
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from gandlf_synth.data.loading.store import default_cache
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
    import torch

    memory: Any = psutil.virtual_memory()
    found = {"cpu": f"{psutil.cpu_count()} cores, {memory.total / 2**30:.0f} GiB memory"}
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        found[f"cuda:{index}"] = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    return found


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
