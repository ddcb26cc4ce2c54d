"""The text of the files that ``sbatch`` takes; each line with the reason for it."""

import shlex
from collections.abc import Sequence

from gandlf_synth.cluster.job import Command, Resources

MOST_REQUEUES = 100
_STOPPED_BY_USR1 = 128 + 10


def training_file(resources: Resources, command: Command, model_dir: str, begin: Sequence[str]) -> str:
    """Return the file of a training that goes back to the queue when its time is over, and goes on from there.

    Args:
        resources: what is asked for.
        command: ``train`` with its options, but for those in ``begin``.
        model_dir: the model folder, as the command names it.
        begin: options for the first time only: ``--resume``, ``--reset``, ``--init-from PATH``.
    """
    lines = [
        *_head(resources, command, f"{resources.name}-%j.log"),
        "# One task for each device, which is what Lightning's processes are.",
        f"#SBATCH --nodes={resources.nodes}",
        f"#SBATCH --ntasks-per-node={resources.devices}",
        *_devices(resources),
        "# Of each task: one core for training, the others for the processes that load batches.",
        f"#SBATCH --cpus-per-task={resources.cpus}",
        "",
        "# Ahead of the limit, all processes of the step get SIGUSR1: training ends its batch, writes",
        f"# {model_dir}/checkpoints/last.ckpt and leaves with {_STOPPED_BY_USR1}. Slurm may send it up to 60 s early.",
        f"#SBATCH --signal=USR1@{resources.lead}",
        "# A job whose node failed, or that had to give way, goes back to the queue by itself.",
        "#SBATCH --requeue",
        "# A job that goes on writes to the same log.",
        "#SBATCH --open-mode=append",
        "",
        *_environment(command),
        "",
        "# Begun once, gone on with afterwards: only checkpoints that this job has written itself are taken up.",
        "# A job that was stopped before its first one begins again.",
        *_beginning(model_dir, begin),
        "",
        "# srun starts the tasks. It does not take over --cpus-per-task since Slurm 22.05. When one task ends with an",
        "# error, the others notice by themselves: srun must not kill what still writes the checkpoint.",
        'srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=0 \\',
        f"  {shlex.join((*command.program, *command.words))} \\",
        f"  {_compute(resources)} \\",
        '  "${begin[@]}" "$@"',
        "code=$?",
        "",
        "# Back to the queue when the time was over. All else is an end: finished, or an error to read in the log.",
        f'if [ "$code" -eq {_STOPPED_BY_USR1} ] && [ "$restarts" -lt {MOST_REQUEUES} ]; then',
        '  scontrol requeue "$SLURM_JOB_ID"',
        "fi",
        'exit "$code"',
    ]
    return "\n".join(lines) + "\n"


def preparation_file(resources: Resources, command: Command, tasks: int) -> str:
    """Return the file of an array of tasks that put images into a store.

    Args:
        resources: what is asked for; of nodes and devices nothing.
        command: ``prepare`` with its options but ``--shard``.
        tasks: how many tasks share the work.
    """
    lines = [
        *_head(resources, command, f"{resources.name}-%A_%a.log"),
        "# Each task prepares its share; the one that ends last writes the index. No GPU is needed.",
        f"#SBATCH --array=1-{tasks}",
        "#SBATCH --ntasks=1",
        f"#SBATCH --cpus-per-task={resources.cpus}",
        "# A task that is begun again goes on: shards that are whole stay.",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        "",
        *_environment(command),
        "",
        'srun --ntasks=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" \\',
        f"  {shlex.join((*command.program, *command.words))} \\",
        f'  --shard "$SLURM_ARRAY_TASK_ID/{tasks}"',
    ]
    return "\n".join(lines) + "\n"


def _head(resources: Resources, command: Command, log: str) -> list[str]:
    choices = {
        "partition": resources.partition, "account": resources.account, "qos": resources.qos, "mem": resources.memory,
    }  # fmt: skip
    return [
        "#!/bin/bash",
        "# Written by gandlf-synth submit. Change what you like, and submit it with: sbatch THIS_FILE",
        f"#SBATCH --job-name={resources.name}",
        "# Relative paths start where the file was written.",
        f"#SBATCH --chdir={shlex.quote(str(command.folder))}",
        f"#SBATCH --output={log}",
        f"#SBATCH --time={resources.time}",
        *(f"#SBATCH --{name}={value}" for name, value in choices.items() if value),
        *(
            []
            if resources.memory
            else ["# No --mem: the partition's default. A job that is killed for memory (137) needs more."]
        ),
    ]


def _devices(resources: Resources) -> list[str]:
    if not resources.gpu:
        return ["# No GPU: the processes share the machine's cores."]
    count = f"{resources.gpu_type}:{resources.devices}" if resources.gpu_type else str(resources.devices)
    return [
        "# Every task has to see all GPUs of its machine, so not --gpus-per-task. A cluster that does not know this",
        f"# option knows --gres=gpu:{count}",
        f"#SBATCH --gpus-per-node={count}",
    ]


def _compute(resources: Resources) -> str:
    settings = [f"num_nodes={resources.nodes}", f"num_devices={resources.devices}"]
    settings += [] if resources.gpu else ["accelerator=cpu"]
    return " ".join(f"--set compute.{setting}" for setting in settings)


def _environment(command: Command) -> list[str]:
    cache = [
        "# Prepared data; a disk of the machine itself is fastest.",
        f"export GANDLF_SYNTH_CACHE={shlex.quote(command.cache)}",
    ]
    hint = ["# Prepared data goes to the home folder; a fast disk is better: export GANDLF_SYNTH_CACHE=/local/scratch"]
    before = ["# Asked for with --before.", *command.before] if command.before else []
    return [*before, *(cache if command.cache else hint)]


def _beginning(model_dir: str, begin: Sequence[str]) -> list[str]:
    files = [f"{model_dir}/checkpoints/last.ckpt", f"{model_dir}/first_stage/checkpoints/last.ckpt"]
    anew = ["--reset", *(word for word in begin if word not in ("--resume", "--reset"))]
    return [
        "restarts=${SLURM_RESTART_COUNT:-0}",
        f"begin=({shlex.join(begin)})",
        "begun=.begun-$SLURM_JOB_ID",
        'if [ "$restarts" -eq 0 ]; then',
        '  touch "$begun"',
        *(f'elif [ {shlex.quote(file)} -nt "$begun" ]; then\n  begin=(--resume)' for file in files),
        *(["else", f"  begin=({shlex.join(anew)})"] if "--resume" not in begin else []),
        "fi",
    ]
