"""``gandlf-synth config explain`` and ``gandlf-synth config show``."""

import json
from pathlib import Path
from typing import Any

import click

from gandlf_synth.cli.options import config_option, set_option


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
    found = {each.path: each for name in [model_name] if name for each in describe_keys(name)}
    for name in [] if model_name else registry.names("models"):
        found |= {each.path: each for each in describe_keys(name) if each.path not in found}
    asked = key.strip().lower()
    matching = [each for path, each in found.items() if path.lower() == asked or path.lower().endswith(f".{asked}")]
    matching = matching or [each for path, each in found.items() if asked in path.lower()]
    if not matching:
        last = {path.rpartition(".")[2] for path in found}
        raise ConfigError(Problem(key, "no key of the configuration has this name", fix=did_you_mean(asked, last)))
    for each in matching:
        click.echo(click.style(each.path, bold=True))
        click.echo(f"  {each.text}\n  may be: {each.kind}\n  when absent: {each.default or 'the defaults of its keys'}")


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
