"""What a job asks the scheduler for, checked before anything is written."""

import re
from dataclasses import dataclass
from pathlib import Path

from gandlf_synth.errors import ConfigError, Problem, raise_if_any

_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d{1,2}))?(?::(?P<third>\d{1,2}))?")
_MEMORY = re.compile(r"[1-9]\d*[KMGT]?", re.IGNORECASE)
_WORD = re.compile(r"[\w.,:@+-]+")
_AT_A_PROMPT = ("bash", "interactive")
"""Names of jobs whose processes do not look for each other; see ``launcher``."""


@dataclass(frozen=True)
class Resources:
    """What is asked for.

    Args:
        nodes: machines.
        devices: GPUs of each machine, or processes of a training on CPUs: one task for each.
        gpu: whether the devices are GPUs.
        gpu_type: Slurm's name of a kind of GPU; empty: any.
        cpus: cores of each task: one for the training, the others for the processes that load batches.
        memory: of each machine, as Slurm writes it; empty: what the partition gives.
        time: the limit, as Slurm writes it.
        lead: seconds before the limit at which training is told to stop.
        partition, account, qos: as the cluster names them; empty: its defaults.
        name: of the job.
    """

    nodes: int = 1
    devices: int = 1
    gpu: bool = True
    gpu_type: str = ""
    cpus: int = 8
    memory: str = ""
    time: str = "04:00:00"
    lead: int = 300
    partition: str = ""
    account: str = ""
    qos: str = ""
    name: str = "gandlf-synth"

    def check(self) -> None:
        """Refuse what Slurm would refuse, or would let run in a way that loses work.

        Raises:
            ConfigError: everything that is wrong.
        """
        problems = []
        seconds = seconds_of(self.time)
        if seconds is None:
            allowed = "minutes, HH:MM:SS, D-HH or D-HH:MM:SS, such as 04:00:00"
            problems.append(Problem("--time", f"is {self.time!r}", allowed))
        elif seconds <= 2 * self.lead:
            what = f"is {self.time}, and training stops {self.lead} s before, to write its checkpoint"
            problems.append(Problem("--time", what, f"more than {2 * self.lead} s", "or give a shorter --lead"))
        if self.memory and not _MEMORY.fullmatch(self.memory):
            problems.append(Problem("--mem", f"is {self.memory!r}", "a whole number with K, M, G or T, such as 64G"))
        for option in ("partition", "account", "qos", "name", "gpu_type"):
            word = getattr(self, option)
            if word and not _WORD.fullmatch(word):
                problems.append(Problem(_flag(option), f"is {word!r}", "one word of letters, digits and . , : @ + -"))
        if self.name in _AT_A_PROMPT:
            what = f"is {self.name!r}, the name of interactive jobs, in which the processes do not find each other"
            problems.append(Problem(_flag("name"), what, fix="choose another name"))
        if self.gpu_type and not self.gpu:
            problems.append(Problem("--gpu-type", "is given for a job without GPUs", fix="leave one of the two out"))
        raise_if_any(problems, ConfigError)


@dataclass(frozen=True)
class Command:
    """A call of the program in a job.

    Args:
        program: what starts it, such as the path of Python and ``-m gandlf_synth``.
        words: the command line behind it.
        folder: where it is called.
        before: lines of shell that come first, such as ``module load cuda``.
        cache: the folder of prepared data; empty: the program's own.
    """

    program: tuple[str, ...]
    words: tuple[str, ...]
    folder: Path
    before: tuple[str, ...] = ()
    cache: str = ""


def _flag(option: str) -> str:
    return "--job-name" if option == "name" else f"--{option.replace('_', '-')}"


def seconds_of(time: str) -> int | None:
    """Return a time limit in seconds, None where Slurm does not know such a form.

    Example:
        >>> seconds_of("90"), seconds_of("04:00:00"), seconds_of("1-12"), seconds_of("4h")
        (5400, 14400, 129600, None)
    """
    match = _TIME.fullmatch(time.strip())
    if match is None:
        return None
    days, *parts = (int(part) if part else None for part in match.groups())
    first, second, third = (part or 0 for part in parts)
    if days is not None:
        return ((days * 24 + first) * 60 + second) * 60 + third
    given = sum(part is not None for part in parts)
    return {1: 60 * first, 2: 60 * first + second, 3: 3600 * first + 60 * second + third}[given]
