"""``gandlf-synth components``."""

import json

import click

from gandlf_synth.registry import GROUPS
from gandlf_synth.registry.catalog import list_components


@click.command()
@click.argument("group", required=False)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def components(group: str | None, as_json: bool) -> None:
    """List the kinds of components that a YAML can name, or the components of one kind: GROUP."""
    if group is None:
        _tell_groups(as_json)
        return
    rows = list_components(group)
    if as_json:
        content = [{"names": names, "summary": summary, "source": source} for names, summary, source in rows]
        click.echo(json.dumps(content, indent=2))
        return
    contract = GROUPS[group]
    click.echo(f"{contract.purpose}\nNamed by: {contract.written}\n")
    for names, summary, source in rows:
        foreign = "" if source == "gandlf-synth" else f" [{source}]"
        _line(", ".join(names), summary.replace("``", "") + foreign)


def _tell_groups(as_json: bool) -> None:
    contracts = {
        name: {"title": contract.title, "purpose": contract.purpose, "written": contract.written, "kind": contract.kind}
        for name, contract in GROUPS.items()
    }
    if as_json:
        click.echo(json.dumps(contracts, indent=2))
        return
    for name, contract in contracts.items():
        _line(name, contract["purpose"])
    click.echo("\ngandlf-synth components GROUP lists those of one kind.")


def _line(name: str, text: str) -> None:
    click.echo(click.style(f"{name:22} ", bold=True) + text)
