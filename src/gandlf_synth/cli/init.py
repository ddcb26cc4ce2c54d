"""``gandlf-synth init``."""

from pathlib import Path

import click

from gandlf_synth.cli.options import PATH, console, emit, json_option
from gandlf_synth.config.size import bytes_of
from gandlf_synth.errors import ConfigError, Problem


@click.command()
@click.argument("source", type=PATH)
@click.option("-o", "--project", type=PATH, default=Path("project"), show_default=True, help="Folder to write into.")
@click.option("--model", "model_name", help="The family; absent: chosen for the data.")
@click.option("--memory", help="What training may take, such as 8GB or 8GiB; absent: what the device has.")
@json_option
def init(source: Path, project: Path, model_name: str | None, memory: str | None, as_json: bool) -> None:
    """Look at SOURCE, a folder of images or a CSV, and write a CSV and a commented YAML that train as they are."""
    from gandlf_synth.projects.start import start_project

    terminal = console()
    made = start_project(source, project, terminal, model_name=model_name, memory_bytes=_bytes(memory))
    for note in made.notes:
        terminal.print(f"  note: {note}", highlight=False)
    terminal.print(f"Wrote {made.config}. Next:", highlight=False)
    emit(made, "\n".join(made.commands), as_json)


def _bytes(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return bytes_of(text)
    except ValueError as error:
        raise ConfigError(
            Problem("--memory", f"{text!r} is not a size", "a number with a unit, such as 8GB")
        ) from error
