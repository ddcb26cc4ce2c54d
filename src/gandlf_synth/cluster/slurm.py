"""Hands files to Slurm."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from shutil import which

from gandlf_synth.errors import ConfigError, Problem, ResourceError

_SECONDS = 60


def check_file(file: Path, folder: Path) -> None:
    """Let Slurm say whether it would take a file; nothing is submitted.

    Raises:
        ConfigError: it would not, with its reason.
        ResourceError: there is no Slurm here, or it does not answer.
    """
    _sbatch(["--test-only"], file, folder)


def submit_file(file: Path, folder: Path, after: str = "") -> str:
    """Submit a file, and return the number of the job.

    Args:
        file: for sbatch.
        folder: where it is called.
        after: the number of a job that has to end well first; empty: none.

    Raises:
        ConfigError: Slurm refuses it.
        ResourceError: there is no Slurm here, or it does not answer.
    """
    waits = [f"--dependency=afterok:{after}", "--kill-on-invalid-dep=yes"] if after else []
    answer = _sbatch(["--parsable", *waits], file, folder)
    return answer.strip().partition(";")[0]


def _sbatch(options: Sequence[str], file: Path, folder: Path) -> str:
    program = which("sbatch")
    fix = f"submit it where Slurm is, with: sbatch {file}"
    if program is None:
        raise ResourceError(Problem("sbatch", f"is not installed on this machine; {file} is written", fix=fix))
    try:
        result = subprocess.run(  # noqa: S603 (the program was looked up, and the words are a list)
            [program, *options, str(file)], capture_output=True, text=True, check=False, cwd=folder, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise ResourceError(Problem("sbatch", f"does not answer within {_SECONDS} s", fix=fix)) from error
    if result.returncode == 0:
        return result.stdout
    said = re.sub(r"\s*\n\s*", "; ", re.sub(r"sbatch: (error: |fatal: )?", "", result.stderr).strip())
    if "Unable to contact" in said or "configuration source" in said:
        raise ResourceError(Problem("sbatch", f"reaches no Slurm: {said}", fix=fix))
    raise ConfigError(
        Problem(str(file), f"is refused by Slurm: {said}", fix="change the options of submit, or the file")
    )
