"""The cores that a process may use, and how it goes on where its launcher starts it again."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gandlf_synth.launcher import cgroup_quota, launcher_began, processes_here, usable_cores, yield_waiting_cores
from gandlf_synth.model_folder import Mode, ModelFolder

LAUNCHERS = ("LOCAL_WORLD_SIZE", "SLURM_NTASKS_PER_NODE", "SLURM_CPUS_ON_NODE")


@pytest.fixture
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)


def _groups(folder: Path, **limits: str) -> tuple[Path, Path]:
    root, membership = folder / "cgroup", folder / "self"
    (root / "job" / "step").mkdir(parents=True)
    for name, text in limits.items():
        (root / name.replace("_", "/") / "cpu.max").write_text(f"{text}\n")
    membership.write_text("12:cpu:/elsewhere\n0::/job/step\n")
    return root, membership


def test_the_tightest_limit_of_the_groups_around_holds(tmp_path: Path) -> None:
    assert cgroup_quota(*_groups(tmp_path, job="250000 100000", job_step="800000 100000")) == 2.5


def test_no_limit_is_none(tmp_path: Path) -> None:
    assert cgroup_quota(*_groups(tmp_path, job="max 100000")) is None
    assert cgroup_quota(tmp_path, tmp_path / "absent") is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs CPU affinity")
@pytest.mark.usefixtures("_alone")
def test_a_process_bound_to_one_core_uses_one() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from gandlf_synth.launcher import usable_cores; print(usable_cores())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "1"


@pytest.mark.usefixtures("_alone")
def test_processes_of_one_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = usable_cores()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert processes_here() == 2
    assert usable_cores() == max(1, alone // 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1000")
    assert usable_cores() == 1


@pytest.mark.usefixtures("_alone")
def test_slurm_tasks_with_cores_of_their_own_do_not_divide_them_again(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = usable_cores()
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "1000")
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "100000")
    assert usable_cores() == alone


@pytest.mark.parametrize("chosen", [{}, {"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "active"}])
def test_waiting_threads_give_their_core_up_unless_the_user_chose(
    chosen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that what is set is taken back
        monkeypatch.delenv(name)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)

    yield_waiting_cores()

    set_now = {name: os.environ[name] for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY") if name in os.environ}
    assert set_now == (chosen or {"GOMP_SPINCOUNT": "10000"})


def test_torchrun_began_before_the_process_that_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert launcher_began() is None

    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    began = launcher_began()

    assert began is not None
    assert began <= time.time()


@pytest.mark.parametrize(
    ("files", "moment", "asked", "mode"),
    [
        ([], 100, "new", "new"),
        (["run.json", "checkpoints/last.ckpt"], 100, "new", "resume"),
        (["run.json", "checkpoints/last.ckpt"], 100, "reset", "resume"),
        (["run.json", "checkpoints/last.ckpt"], 300, "new", "new"),
        (["run.json", "first_stage/checkpoints/last.ckpt"], 100, "new", "resume"),
        (["run.json"], 100, "new", "reset"),
        (["run.json"], 300, "new", "new"),
    ],
)
def test_only_a_run_that_this_launcher_began_goes_on_by_itself(
    files: list[str], moment: float, asked: Mode, mode: Mode, tmp_path: Path
) -> None:
    for name in files:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        os.utime(file, (200, 200))

    assert ModelFolder(tmp_path).mode_after(moment, asked) == mode
