"""``gandlf-synth schema``."""

import json
from pathlib import Path

import click

from gandlf_synth.cli.options import PATH


@click.command()
@click.option("-o", "--output", type=PATH, help="File to write; absent: the standard output.")
def schema(output: Path | None) -> None:
    """Write the JSON Schema of the YAML, with which an editor checks it while you write.

    VS Code with the YAML extension: put ``# yaml-language-server: $schema=gandlf-synth.schema.json`` into the first
    line of the YAML.
    """
    from gandlf_synth.config import json_schema
    from gandlf_synth.files import write_text

    text = json.dumps(json_schema(), indent=2) + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    write_text(output, text)
    click.echo(output)
