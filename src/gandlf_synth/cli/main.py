"""The ``gandlf-synth`` program."""

import sys

import click

from gandlf_synth.cli.construct_csv import construct_csv
from gandlf_synth.cli.demo import demo
from gandlf_synth.cli.generate import generate
from gandlf_synth.cli.reconstruct import reconstruct
from gandlf_synth.cli.run import run
from gandlf_synth.cli.train import train
from gandlf_synth.cli.verify_install import verify_install
from gandlf_synth.errors import GandlfSynthError

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(context_settings=_CONTEXT)
@click.version_option(None, "-v", "--version", package_name="gandlf-synth", prog_name="gandlf-synth")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def program(context: click.Context, debug: bool) -> None:
    r"""Train generative models on medical images and synthesise new ones, without writing code.

    
    First steps:
      gandlf-synth demo                                    the whole job on real images, in minutes
      gandlf-synth construct-csv -i IMAGES -ch .png -l unlabeled -o data.csv
      gandlf-synth train -c config.yaml -dt data.csv -m-dir model
      gandlf-synth generate -m-dir model -n 16
    """
    context.obj = debug


for _command in (construct_csv, train, generate, reconstruct, run, demo, verify_install):
    program.add_command(_command)


def main() -> None:
    """Run the program; an error of the user's is a message and an exit code, not a traceback."""
    debug = "--debug" in sys.argv[1:]
    try:
        program(standalone_mode=False)
    except GandlfSynthError as error:
        if debug:
            raise
        click.echo(click.style("Error: ", fg="red", bold=True) + str(error), err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
