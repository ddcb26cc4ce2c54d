"""``gandlf-synth models``."""

import json
from dataclasses import asdict
from typing import Any

import click


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def models(name: str | None, as_json: bool) -> None:
    """List the model families, or tell everything of one: tasks, dimensions, paper, keys."""
    from gandlf_synth import registry

    names = [name] if name else registry.names("models")
    families = {each: _facts(registry.load("models", each)) for each in names}
    if as_json:
        keys = [asdict(key) for key in _keys(name)] if name else None
        content = families if keys is None else families[names[0]] | {"keys": keys}
        click.echo(json.dumps(content, indent=2))
        return
    for each, facts in families.items():
        click.echo(click.style(f"{each:18}", bold=True) + facts["title"])
        if name:
            _tell(name, facts)
    if not name:
        click.echo("\ngandlf-synth models NAME tells the keys of one.")


def _facts(family: Any) -> dict[str, Any]:
    return {
        "title": family.title,
        "tasks": list(family.tasks),
        "dimensions": [f"{dims}D" for dims in family.spatial_dims],
        "labels": ["unlabeled", "patient", "custom"],
        "paper": family.paper,
    }


def _keys(name: str) -> list[Any]:
    from gandlf_synth.config import describe_keys

    return [key for key in describe_keys(name) if key.path.startswith("model_config.")]


def _tell(name: str, facts: dict[str, Any]) -> None:
    for title in ("tasks", "dimensions", "labels"):
        click.echo(f"  {title:12} {', '.join(facts[title])}")
    click.echo(f"  {'paper':12} {facts['paper']}\n\n  keys of model_config, with their defaults")
    for key in _keys(name):
        default = f" [{key.default}]" if key.default else ""
        click.echo(f"    {key.path.removeprefix('model_config.')}{default}: {key.text}")
