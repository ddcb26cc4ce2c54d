"""``gandlf-synth doctor``."""

import json
from pathlib import Path

import click

from gandlf_synth.cli.options import PATH


@click.command()
@click.argument("file", type=PATH, required=False)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def doctor(file: Path | None, as_json: bool) -> None:
    """Say what is installed, what is missing and how to get it; or, for FILE, where a synthetic image comes from."""
    from gandlf_synth import api

    content = api.provenance_of(file) if file else api.installation()
    if as_json or file:
        click.echo(json.dumps(content, indent=2))
        return
    for title, part in content.items():
        click.echo(click.style(title, bold=True))
        for name, found in part.items():
            click.echo(f"  {name:22} {found}")
