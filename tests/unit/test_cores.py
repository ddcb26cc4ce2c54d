"""Worker counts follow the cores that a process may really use."""

import os
from pathlib import Path

import pytest

from gandlf_synth import cores
from gandlf_synth.training.defaults import loader_workers


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A machine with so many cores, of which a control group may allow fewer, and so many processes of one run."""

    def make(affinity: int, quota: str = "max 100000", processes: int = 1) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)), raising=False)
        (tmp_path / "cpu.max").write_text(quota)
        monkeypatch.setattr(cores, "_QUOTA", tmp_path / "cpu.max")
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))

    return make


@pytest.mark.parametrize(
    ("affinity", "quota", "processes", "usable", "workers"),
    [
        (2, "max 100000", 1, 2, 1),
        (64, "max 100000", 1, 64, 16),
        (64, "max 100000", 8, 64, 7),
        (64, "250000 100000", 1, 3, 2),
        (1, "max 100000", 4, 1, 1),
    ],
)
def test_workers_fit_the_cores(machine, affinity: int, quota: str, processes: int, usable: int, workers: int) -> None:
    machine(affinity, quota, processes)

    assert cores.usable_cores() == usable
    assert loader_workers() == workers


def test_without_control_groups_the_affinity_counts(machine, tmp_path: Path) -> None:
    machine(4)
    (tmp_path / "cpu.max").unlink()

    assert cores.usable_cores() == 4
