"""``gandlf-synth config``, ``models`` and ``schema``: what may be written in a YAML."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gandlf_synth.cli.options import LOCAL_PATH, config_option, set_option


@click.group()
def config() -> None:
    """Explain keys of the YAML, and show a YAML with everything filled in."""


@config.command()
@click.argument("key")
@click.option("--model", "model_name", help="The family whose keys are meant; absent: all of them.")
def explain(key: str, model_name: str | None) -> None:
    """Say what KEY means, what may be written and what it is when absent; part of a key is enough."""
    from gandlf_synth import registry
    from gandlf_synth.config import describe_keys
    from gandlf_synth.errors import ConfigError, Problem, did_you_mean

    if model_name:
        registry.load("models", model_name)
    known = {entry.path: entry for name in [model_name] if name for entry in describe_keys(name)}
    for name in [] if model_name else registry.names("models"):
        known |= {entry.path: entry for entry in describe_keys(name) if entry.path not in known}
    asked = key.strip().lower()
    matching = [entry for path, entry in known.items() if path.lower() == asked or path.lower().endswith(f".{asked}")]
    matching = matching or [entry for path, entry in known.items() if asked in path.lower()]
    if not matching:
        last = {path.rpartition(".")[2] for path in known}
        raise ConfigError(Problem(key, "no key of the configuration has this name", fix=did_you_mean(asked, last)))
    for entry in matching:
        click.echo(click.style(entry.path, bold=True))
        default = entry.default or "the defaults of its keys"
        click.echo(f"  {entry.text}\n  may be: {entry.kind}\n  when absent: {default}")


@config.command()
@config_option(required=True)
@set_option
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of YAML.")
def show(config: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check a YAML and show it with every default; what says auto is decided by the data when training begins."""
    from gandlf_synth.config import overridden, read_document, validate

    loaded = validate(overridden(read_document(config), overrides))
    content: dict[str, Any] = loaded.config.model_dump(mode="json", by_alias=True, exclude_none=True)
    if as_json:
        click.echo(json.dumps(content, indent=2))
        return
    import sys

    from ruamel.yaml import YAML

    writer = YAML()
    writer.default_flow_style = None
    writer.width = 120
    writer.dump(content, sys.stdout)


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def models(name: str | None, as_json: bool) -> None:
    """List the model families, or tell everything of one: tasks, dimensions, paper, keys."""
    from gandlf_synth import registry

    names = [name] if name else registry.names("models")
    families = {family: _facts(registry.load("models", family)) for family in names}
    if as_json:
        keys = [asdict(key) for key in _keys(name)] if name else None
        content = families if keys is None else families[names[0]] | {"keys": keys}
        click.echo(json.dumps(content, indent=2))
        return
    for family, facts in families.items():
        click.echo(click.style(f"{family:18}", bold=True) + facts["title"])
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


@click.command()
@click.option("-o", "--output", type=LOCAL_PATH, help="File to write; absent: the standard output.")
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
