"""The ``gandlf-synth`` program."""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

import click

from gandlf_synth.cli.app import app
from gandlf_synth.cli.check import check, preview
from gandlf_synth.cli.choose_average import choose_average
from gandlf_synth.cli.components import components
from gandlf_synth.cli.config import config, models, schema
from gandlf_synth.cli.construct_csv import construct_csv
from gandlf_synth.cli.evaluate import evaluate, report
from gandlf_synth.cli.generate import export, generate, reconstruct
from gandlf_synth.cli.installation import doctor, verify_install
from gandlf_synth.cli.prepare import prepare
from gandlf_synth.cli.projects import demo, init, new_model
from gandlf_synth.cli.submit import submit
from gandlf_synth.cli.sweep_sampler import sweep_sampler
from gandlf_synth.cli.train import run, train
from gandlf_synth.errors import GandlfSynthError, Problem, ResourceError, spell_options
from gandlf_synth.launcher import is_first_process, yield_waiting_cores
from gandlf_synth.ranks import Ranks, meet
from gandlf_synth.registry import load_plugin

_HELP = """Train generative models on medical images and synthesise new ones, without writing code.

\b
First steps:
  gandlf-synth demo      the whole job on real images, in minutes
  gandlf-synth init IMAGES   a CSV and a YAML for your images, and the commands that follow
  gandlf-synth train     -c config.yaml -dt data.csv -m-dir model
  gandlf-synth generate  -m-dir model -n 16
  gandlf-synth app       -m-dir model   the same in a browser
"""
_OF_SEVERAL_PROCESSES = {"train", "run", "generate"}
_BROKEN_PIPE = 13
"""The signal that ends other programs in this case."""
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(help=_HELP, context_settings=_CONTEXT)
@click.version_option(None, "-v", "--version", package_name="gandlf-synth", prog_name="gandlf-synth")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--plugin", multiple=True, expose_value=False, help="Python file with components of your own; may stand anywhere."
)
@click.option("-q", "--quiet", is_flag=True, help="Show results and errors only; may stand anywhere.")
def program(debug: bool, quiet: bool) -> None:
    """Keep what all commands share."""


_COMMANDS = (
    init, construct_csv, check, preview, prepare, train, generate, reconstruct, sweep_sampler, choose_average,
    evaluate, report, app, export, run, submit, demo,
    models, components, new_model, config, schema, doctor, verify_install,
)  # fmt: skip
for _command in _COMMANDS:
    program.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code; an error of the user's is a message, not a traceback.

    Args:
        arguments: the command line without the program's name; None: the process's own.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    spell_options(_flag)
    _prepare_outputs()
    yield_waiting_cores()
    try:
        _load_plugins(words)
        code = program(_quiet_first(words), standalone_mode=False)  # what click.exceptions.Exit carries, else None
        sys.stdout.flush()
    except (GandlfSynthError, OSError, click.ClickException, click.exceptions.Abort) as error:
        if "--debug" in words and isinstance(error, GandlfSynthError | OSError):
            raise
        return _tell(error)
    return code if isinstance(code, int) else 0


def _tell(error: Exception) -> int:
    """Say what went wrong, and return the exit code."""
    if isinstance(error, BrokenPipeError):
        return _nobody_reads()
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, OSError):
        what = f"cannot be used: {error.strerror or error}"
        error = ResourceError(Problem(str(error.filename or "a file or an output"), what))
    if not isinstance(error, GandlfSynthError):
        click.echo("Stopped.", err=True)
        return 130
    if is_first_process() or not error.is_of_all:
        click.echo(click.style("Error: ", fg="red", bold=True) + str(error), err=True)
    return error.exit_code


def _prepare_outputs() -> None:
    """Let outputs that know few letters, such as an ASCII terminal, show the others as codes; closed ones take all."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _nobody_reads() -> int:
    """Return the exit code of a program whose output is read no further, as by ``head``; nothing more is written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return 128 + _BROKEN_PIPE


def _flag(name: str) -> str:
    """Return the flag of the running command that sets ``name``, or the name itself outside of commands."""
    context = click.get_current_context(silent=True)
    flags = [parameter for parameter in context.command.params if parameter.name == name] if context else []
    if not flags or not isinstance(flags[0], click.Option):
        return name
    return max(flags[0].opts, key=len) if flags[0].is_flag else flags[0].opts[0]


def _quiet_first(words: list[str]) -> list[str]:
    """Return the command line with ``--quiet``, which may stand anywhere, where the program reads it."""
    rest = [word for word in words if word not in ("-q", "--quiet")]
    return rest if len(rest) == len(words) else ["--quiet", *rest]


def _load_plugins(words: list[str]) -> None:
    """Load the files that ``--plugin`` names; a machine that lacks one stops the other processes of the run too."""
    files = _plugins(words)
    ranks = meet() if files and _OF_SEVERAL_PROCESSES & set(words) else Ranks()
    with ranks.together():
        for file in files:
            load_plugin(file)


def _plugins(words: list[str]) -> list[Path]:
    """Take every ``--plugin FILE`` out of the command line and return the files."""
    files = []
    while "--plugin" in words[:-1]:
        place = words.index("--plugin")
        files.append(Path(words[place + 1]))
        del words[place : place + 2]
    return files
