"""Several processes of one run: what stops one stops all, and a launcher that started too few is named."""

import time
from pathlib import Path

import pytest
from tests.factories import Cli, TinyConfig
from tests.processes import Process, finish, free_port, same_state, srun, start, write_job

from gandlf_synth.config import ComputeConfig
from gandlf_synth.errors import ConfigError
from gandlf_synth.ranks import Ranks
from gandlf_synth.training.strategy import check_compute


def both(*words: object, differing: tuple[tuple[object, ...], ...] = ((), ())) -> list[Process]:
    """Start the command as srun would in two processes, each with further words of its own."""
    started = zip(srun(free_port()), differing, strict=True)
    return [start(*words, *more, variables=variables) for variables, more in started]


def ends(processes: list[Process]) -> tuple[list[int | None], list[str]]:
    messages = [process.communicate(timeout=120)[1] for process in processes]
    return [process.returncode for process in processes], messages


def test_what_stops_the_first_process_stops_the_other(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    words, model = write_job(cli, pictures, tmp_path), tmp_path / "model"
    (model / "checkpoints").mkdir(parents=True)

    codes, messages = ends(both("train", *words, "-m-dir", model))

    assert codes == [2, 2]
    assert "already holds a run" in messages[0]
    assert messages[1] == ""


@pytest.mark.slow
def test_what_stops_the_other_process_is_said_by_the_first(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    words, model = write_job(cli, pictures, tmp_path), tmp_path / "model"

    codes, messages = ends(
        both("train", *words[2:], "-m-dir", model, differing=(words[:2], ("-c", tmp_path / "no.yaml")))
    )

    assert codes == [2, 2]
    assert "process 1 of 2: " in messages[0]
    assert "no.yaml: cannot be read" in messages[0]
    assert not model.exists()


@pytest.mark.slow
def test_the_first_process_decides_and_a_data_set_that_differs_is_refused(
    cli: Cli, pictures: Path, tmp_path: Path
) -> None:
    words = write_job(cli, pictures, tmp_path, epochs=2)
    other = tmp_path / "other.csv"
    other.write_text("\n".join(Path(words[3]).read_text().splitlines()[:-1]))
    flags = ("--set", "seed=7")

    decided = both("train", *words, "-m-dir", tmp_path / "decided", differing=(flags, ()))
    for process in decided:
        finish(process)
    same = both("train", *words, "-m-dir", tmp_path / "same", *flags)
    for process in same:
        finish(process)
    codes, messages = ends(both("train", *words[:2], "-m-dir", tmp_path / "two", differing=(words[2:], ("-dt", other))))

    assert same_state(*(tmp_path / name / "checkpoints" / "last.ckpt" for name in ("decided", "same")))
    assert codes == [7, 7]
    assert "sees another list of images than process 0" in messages[0]


@pytest.mark.slow
def test_the_clock_of_the_first_process_ends_the_run(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    words = write_job(cli, pictures, tmp_path, epochs=99_999)
    minutes = (("--minutes", 0.1), ("--minutes", 100))

    for process in both("train", *words, "-m-dir", tmp_path / "model", differing=minutes):
        finish(process)


@pytest.mark.slow
def test_a_process_that_is_gone_ends_the_other(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    words = write_job(cli, pictures, tmp_path, epochs=99_999)
    last = tmp_path / "model" / "checkpoints" / "last.ckpt"
    first, second = both("train", *words, "-m-dir", tmp_path / "model")
    while not last.exists():
        assert first.poll() is None
        time.sleep(0.05)

    second.kill()
    (code, *_), (message, *_) = ends([first])

    assert code == 7, message
    assert "another process of this run: has ended" in message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_JOB_NAME": "job"}, "write srun before the command"),
        ({"SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2", "SLURM_JOB_NAME": "bash"}, "SLURM_JOB_NAME=train"),
        ({"SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"}, "give srun --ntasks-per-node"),
        ({"WORLD_SIZE": "2"}, "unset WORLD_SIZE"),
        ({"SLURM_NTASKS": "many"}, "SLURM_NTASKS=many in the environment: is not a number"),
    ],
)
def test_variables_that_promise_processes_which_do_not_exist_are_named(
    cli: Cli,
    tiny_config: TinyConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    message: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    for command in (("train", "-c", tiny_config([8, 8]), "-dt", tmp_path / "d.csv"), ("generate",)):
        code, _, err = cli(*command, "-m-dir", tmp_path / "model")

        assert code == 2
        assert message in err
    assert not (tmp_path / "model").exists()


def test_an_allocation_with_a_prompt_runs_one_process(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from gandlf_synth.launcher import check_launch, process_count

    monkeypatch.setenv("SLURM_JOB_NAME", "interactive")
    monkeypatch.setenv("SLURM_NTASKS", "4")

    check_launch()

    assert process_count() == 1


def test_one_process_alone_needs_no_group() -> None:
    alone = Ranks()

    with pytest.raises(ValueError, match="mine"), alone.together():
        raise ValueError("mine")

    assert alone.broadcast(3) == 3
    assert alone.gather("a") == ["a"]
    assert alone.shard([1, 2, 3]) == [1, 2, 3]


def test_devices_that_the_launcher_did_not_start_processes_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in srun(1)[0].items():
        monkeypatch.setenv(name, value)

    check_compute(ComputeConfig(accelerator="cpu", num_devices=2))
    with pytest.raises(ConfigError, match=r"compute.num_devices: 4: contradicts the launcher, which starts 2"):
        check_compute(ComputeConfig(accelerator="cpu", num_devices=4))
