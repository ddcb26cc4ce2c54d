"""``submit``: the file for Slurm asks for what training needs, and wrong input is named before anything is written."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.factories import Cli, TableOf, TinyConfig
from tests.processes import PROGRAM, same_state, write_job
from tests.slurm import needs_slurm, slurm

from gandlf_synth.cluster.job import Resources, seconds_of
from gandlf_synth.cluster.slurm import check_file
from gandlf_synth.errors import ConfigError

Words = tuple[object, ...]
GPU = ("--set", "compute.accelerator=gpu")


@pytest.fixture
def job(
    table_of: TableOf, pictures: Path, tiny_config: TinyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Words:
    """``train`` and its options, called in an empty folder."""
    words = ("train", "-c", tiny_config([16, 16]), "-dt", table_of(pictures), "-m-dir", "my model")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return words


def directives(text: str) -> dict[str, str]:
    """Return what a file says to sbatch."""
    return dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", text, re.MULTILINE))


def test_the_file_asks_for_a_task_per_device_and_goes_on_after_its_time(cli: Cli, job: Words) -> None:
    before = ("--before", "module load cuda", "--mem", "64G", "--partition", "gpu")
    code, out, err = cli(
        "submit", "--nodes", 2, "--devices", 4, "--gpu-type", "a100", *before, "--", *job, *GPU, "-vr", "0.1"
    )

    assert code == 0, err
    assert "submit with: sbatch train.sbatch" in out
    text = Path("train.sbatch").read_text()
    assert directives(text).items() >= {
        "nodes": "2", "ntasks-per-node": "4", "gpus-per-node": "a100:4", "cpus-per-task": "8", "mem": "64G",
        "time": "04:00:00", "signal": "USR1@300", "requeue": "", "open-mode": "append", "partition": "gpu",
    }.items()  # fmt: skip
    assert "--set compute.num_nodes=2 --set compute.num_devices=4" in text
    assert "'my model'" in text
    assert text.index("module load cuda") < text.index("srun ")
    assert subprocess.run(["bash", "-n", "train.sbatch"], capture_output=True, check=False).returncode == 0


def run_text(restarts: int, checkpoint: str, begin: str, folder: Path) -> str:
    """Return what the file, whose ``srun`` only says its words, hands to train behind the fixed options."""
    text = Path("train.sbatch").read_text()
    for file in folder.glob(".begun*"):
        file.unlink()
    script = f"srun() {{ printf '%s ' \"${{@: -{len(begin.split()) + 2}}}\"; return 0; }}\n{text}"
    environment = {**os.environ, "SLURM_RESTART_COUNT": str(restarts), "SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "8"}
    if restarts:
        (folder / ".begun-7").touch()
        os.utime(folder / ".begun-7", (1, 1))
    if checkpoint:
        (folder / checkpoint).parent.mkdir(parents=True, exist_ok=True)
        (folder / checkpoint).touch()
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, check=True).stdout


@pytest.mark.parametrize(
    ("given", "restarts", "checkpoint", "handed"),
    [
        ([], 0, "", ""),
        ([], 1, "my model/checkpoints/last.ckpt", "--resume"),
        ([], 1, "my model/first_stage/checkpoints/last.ckpt", "--resume"),
        ([], 1, "", "--reset"),
        (["--init-from", "parent"], 0, "", "--init-from parent"),
        (["--init-from", "parent"], 1, "my model/checkpoints/last.ckpt", "--resume"),
        (["--init-from", "parent"], 1, "", "--reset --init-from parent"),
        (["-rt"], 0, "", "--reset"),
    ],
)
def test_what_belongs_to_the_beginning_is_not_said_again(
    cli: Cli, job: Words, given: list[str], restarts: int, checkpoint: str, handed: str
) -> None:
    code, _, err = cli("submit", "--", *job, *given)
    assert code == 0, err

    told = run_text(restarts, checkpoint, handed, Path())

    assert told.split()[-len(handed.split()) - 1 :] == ["compute.accelerator=cpu", *handed.split()]


def test_a_checkpoint_of_an_earlier_run_is_not_taken_up_after_a_reset(cli: Cli, job: Words) -> None:
    assert cli("submit", "--", *job, "--reset")[0] == 0
    last = Path("my model/checkpoints/last.ckpt")
    last.parent.mkdir(parents=True)
    last.touch()
    os.utime(last, (0, 0))

    assert run_text(1, "", "--reset", Path()).split()[-1] == "--reset"


def test_images_are_prepared_first_by_an_array(cli: Cli, job: Words) -> None:
    code, out, err = cli("submit", "--prepare", "s3://bucket/store", "--tasks", 8, "--", *job, "--set", "batch_size=2")

    assert code == 0, err
    assert "--dependency=afterok:$(sbatch --parsable train-prepare.sbatch) train.sbatch" in out
    text = Path("train-prepare.sbatch").read_text()
    assert directives(text)["array"] == "1-8"
    assert "gpus-per-node" not in directives(text)
    assert "-o s3://bucket/store --set batch_size=2" in text
    assert '--shard "$SLURM_ARRAY_TASK_ID/8"' in text
    assert "-dt s3://bucket/store" in Path("train.sbatch").read_text()
    assert subprocess.run(["bash", "-n", "train-prepare.sbatch"], capture_output=True, check=False).returncode == 0


def test_processes_without_gpus_and_cores_for_the_loader(cli: Cli, job: Words) -> None:
    sets = (
        "--set",
        "compute.accelerator=cpu",
        "--set",
        "compute.num_devices=2",
        "--set",
        "dataloader_config.train.num_workers=3",
    )
    assert cli("submit", "--", *job, *sets)[0] == 0

    text = Path("train.sbatch").read_text()

    assert directives(text).items() >= {"ntasks-per-node": "2", "cpus-per-task": "4"}.items()
    assert "gpus-per-node" not in directives(text)
    assert "--set compute.accelerator=cpu" in text


@pytest.mark.parametrize(
    ("options", "more", "code", "said"),
    [
        ([], ["--nope"], 2, "No such option '--nope'"),
        ([], ["-vr", "2"], 2, "Invalid value for '-vr'"),
        ([], ["--dry-run"], 2, "train --dry-run: writes nothing, so that it needs no job"),
        ([], ["--set", "batch_size=x"], 2, "--set batch_size: 'x' is not valid"),
        ([], ["--resume"], 4, "holds no checkpoints/last.ckpt to resume from"),
        ([], ["-v-csv", "gone.csv"], 3, "gone.csv: does not exist"),
        (["--time", "4h"], [], 2, "--time: is '4h'; allowed: minutes, HH:MM:SS"),
        (["--time", "8"], [], 2, "--time: is 8, and training stops 300 s before"),
        (["--mem", "much"], [], 2, "--mem: is 'much'; allowed: a whole number with K, M, G or T"),
        (["--partition", "a b"], [], 2, "--partition: is 'a b'; allowed: one word"),
        (["--job-name", "bash"], [], 2, "--job-name: is 'bash', the name of interactive jobs"),
        (["--prepare", "store"], ["-v-csv", "{csv}"], 2, "is given CSVs for validation or test as well"),
        (
            ["--devices", "3"],
            [
                "--set",
                "compute.strategy=fsdp",
                "--set",
                "compute.strategy_config={data_parallel_size: 2, tensor_parallel_size: 2}",
            ],
            2,
            "compute.strategy_config: is 2 times 2, and the job has 3 processes",
        ),
    ],
)
def test_wrong_input_is_named_and_nothing_is_written(
    cli: Cli, job: Words, options: list[str], more: list[str], code: int, said: str
) -> None:
    words = [word.format(csv=job[4]) if word == "{csv}" else word for word in more]

    seen, _, err = cli("submit", *options, "--", *job, *words)

    assert seen == code
    assert said in err
    assert not list(Path().iterdir())


def test_other_commands_are_not_submitted(cli: Cli) -> None:
    assert "is given 'generate' behind --; allowed: train" in cli("submit", "--", "generate")[2]
    assert "is given 'nothing' behind --" in cli("submit")[2]


def test_without_slurm_the_file_is_there_and_says_where_to_submit_it(
    cli: Cli, job: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    code, _, err = cli("submit", "--go", "--", *job)

    assert code == 7
    assert "sbatch: is not installed on this machine; train.sbatch is written; submit it where Slurm is" in err
    assert Path("train.sbatch").is_file()


@pytest.mark.parametrize(
    ("time", "seconds"), [("90", 5400), ("1:30", 90), ("01:00:00", 3600), ("2-0", 172800), ("1-1:1:1", 90061)]
)
def test_limits_as_slurm_writes_them(time: str, seconds: int) -> None:
    assert seconds_of(time) == seconds


def test_a_kind_of_gpu_needs_gpus() -> None:
    with pytest.raises(ConfigError, match="--gpu-type: is given for a job without GPUs"):
        Resources(gpu=False, gpu_type="a100").check()


@pytest.fixture
def cluster() -> Iterator[dict[str, str]]:
    needs_slurm()
    with slurm() as environment:
        yield environment


def test_slurm_itself_takes_the_files_and_refuses_gpus_that_it_has_not(
    cli: Cli, job: Words, cluster: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CONF", cluster["SLURM_CONF"])
    assert cli("submit", "--prepare", "store", "--", *job)[0] == 0

    for file in ("train.sbatch", "train-prepare.sbatch"):
        check_file(Path(file), Path())
    code, _, err = cli("submit", "--go", "--", *job, *GPU)

    assert code == 2
    assert "train.sbatch: is refused by Slurm:" in err


def slurm_says(environment: dict[str, str], *words: str) -> str:
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=True, timeout=800).stdout


def until(environment: dict[str, str], job: str, pattern: str) -> str:
    """Wait until what Slurm says of a job matches; return it."""
    script = f"for i in $(seq 700); do scontrol show job {job} | grep -E '{pattern}' && exit; sleep 1; done; exit 1"
    return slurm_says(environment, "bash", "-c", script)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_slurm_takes_the_file_requeues_it_and_the_run_ends_as_one_that_was_not_stopped(
    cli: Cli, cluster: dict[str, str], pictures: Path, tmp_path: Path
) -> None:
    words = [str(word) for word in write_job(cli, pictures, tmp_path, epochs=60)]
    own = ["--set", "compute.accelerator=cpu", "--set", "dataloader_config.train.num_workers=1"]
    environment = {**cluster, "OMP_NUM_THREADS": "1"}

    def submit(model: str) -> str:
        command = [
            *PROGRAM,
            "submit",
            "-o",
            f"{model}.sbatch",
            "--go",
            "--devices",
            "2",
            "--",
            "train",
            *words,
            *own,
            "-m-dir",
            model,
        ]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()[-1]

    stopped = submit("stopped")
    checkpoint = tmp_path / "stopped" / "checkpoints" / "last.ckpt"
    slurm_says(environment, "bash", "-c", f"for i in $(seq 700); do [ -f {checkpoint} ] && exit; sleep 1; done; exit 1")
    slurm_says(
        environment, "scancel", "--signal=USR1", stopped
    )  # what Slurm does ahead of the limit, without waiting for it
    until(environment, stopped, "Restarts=1")
    slurm_says(environment, "scontrol", "update", f"JobId={stopped}", "StartTime=now")
    whole = submit("whole")

    for job in (stopped, whole):
        assert "COMPLETED" in until(environment, job, "JobState=(COMPLETED|FAILED|TIMEOUT|CANCELLED)"), (
            tmp_path / f"gandlf-synth-{job}.log"
        ).read_text()

    assert "stopped by SIGUSR1" in (tmp_path / f"gandlf-synth-{stopped}.log").read_text()
    assert same_state(checkpoint, tmp_path / "whole" / "checkpoints" / "last.ckpt")
