"""The pages that follow from the code: commands, keys, components; a hook of mkdocs adds them to the site."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from cohorts import cohorts
from measured import benchmarks_page
from notebooks import notebooks, offer_notebook
from planted_table import planted_table
from pydantic import BaseModel

from gandlf_synth import registry
from gandlf_synth.cli.main import program
from gandlf_synth.config import KeyDescription, describe_keys
from gandlf_synth.registry.catalog import summary_of

_CLI = """\
# Command line

Exit codes: 0 done; 2 configuration or flag; 3 data; 4 checkpoint; 5 missing package; 6 plugin; 7 resources;
8 training failed; 128 + n stopped by signal n, with a checkpoint.
"""
_CONFIGURATION = """\
# Configuration keys

Only `model_config.model_name` is required. `auto` is decided by the data and the device; the choice and its reason
are in the model folder's `resolved_config.yaml`. `gandlf-synth config explain KEY` says the same in a terminal.

## Shared by all families
"""
_COMPONENTS = """\
# Components by name

Names are case-insensitive; names in one line mean the same. `gandlf-synth components GROUP` says the same in a
terminal. A component of your own joins its list through [`--plugin` or an entry point](../how-to/custom-component.md).
"""
_DOCS = Path(__file__).parent
_WITH_EXAMPLES = ("tutorials", "how-to")
_SHELL = re.compile(r"^```(?:sh|bash|text)\n(?P<lines>.*?)^```$", re.MULTILINE | re.DOTALL)
_KEY_CELL = re.compile(r"<td><code>[\w.]+</code>")
_MOST_EXAMPLES = 3
_TABLE_OF_GROUPS = "<!-- table of groups -->"
_COHORTS = "<!-- cohort sizes -->"
_TABLE_OF_FLAWS = "<!-- table of planted flaws -->"
"""Stand on a page of ``docs`` where the table goes."""


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages and the notebooks to the site."""
    from mkdocs.structure.files import File

    for path, text in {**pages(), **notebooks()}.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put a table where a page asks for it, and the notebook of a tutorial below its title."""
    return (
        offer_notebook(_DOCS / page.file.src_uri, markdown)
        .replace(_TABLE_OF_GROUPS, groups_table())
        .replace(_COHORTS, cohorts())
        .replace(_TABLE_OF_FLAWS, planted_table())
    )


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Let keys of the configuration break after their dots, where a table is narrow."""
    if page.file.src_uri != "reference/configuration.md":
        return html
    return _KEY_CELL.sub(lambda cell: cell[0].replace(".", ".<wbr>"), html)


def groups_table() -> str:
    """Return what a component of every group is, how it is called, and what checks it."""
    lines = [
        "| group | what it does | what it is | parameters and result | named by | checked by |",
        "|---|---|---|---|---|---|",
    ]
    for name, group in registry.GROUPS.items():
        base = f" of `{group.base.partition(':')[0]}`" if group.base else ""
        checker = f"`{group.checker.partition(':')[2]}`"
        cells = (f"[`{name}`](../reference/components.md#{name})", group.purpose, group.kind + base)
        lines.append(_row(*cells, f"`{group.signature}`", f"{group.written}", checker))
    return "\n".join(lines)


def pages() -> dict[str, str]:
    """Return the text of every generated page by its path in ``docs``."""
    return {
        "reference/cli.md": cli_page(),
        "reference/configuration.md": configuration_page(),
        "reference/components.md": components_page(),
        "decisions/index.md": decisions_page(),
        "explanation/benchmarks.md": benchmarks_page(),
    }


def cli_page() -> str:
    """Return all commands with their options, from click."""
    lines = [_CLI]
    for name, command in _commands(program, "gandlf-synth"):
        lines += [f"## `{name}`", "", inspect.cleandoc(command.help or "").replace("\b", "").replace("<", "&lt;"), ""]
        lines += _examples(name)
        lines += ["| option | meaning | default |", "|---|---|---|"]
        lines += [_option(each) for each in command.params] + [""]
    return "\n".join(lines)


def _examples(command: str) -> list[str]:
    """Return lines of other pages that call a command, one of each page, with links to the pages."""
    found: dict[Path, str] = {}
    for page in sorted(path for folder in _WITH_EXAMPLES for path in (_DOCS / folder).glob("*.md")):
        for block in _SHELL.finditer(page.read_text(encoding="utf-8")):
            for line in block["lines"].replace("\\\n", " ").splitlines():
                text = " ".join(line.partition(" #")[0].split())
                if f"{text} ".startswith(f"{command} ") and text not in found.values():
                    found.setdefault(page, text)
    chosen = sorted(found, key=lambda page: len(found[page]))[:_MOST_EXAMPLES]
    if not chosen:
        return []
    links = ", ".join(f"[{_title(page)}](../{page.relative_to(_DOCS).as_posix()})" for page in chosen)
    return ["```bash", *(found[page] for page in chosen), "```", "", f"From {links}.", ""]


def _commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def _option(parameter: click.Parameter) -> str:
    if not isinstance(parameter, click.Option):
        return _row(f"`{parameter.human_readable_name}`", "as above", "required" if parameter.required else "")
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    choices = parameter.type.choices if isinstance(parameter.type, click.Choice) else ()
    text = f"{parameter.help or ''} {'One of: ' + ', '.join(choices) + '.' if choices else ''}"
    known = isinstance(parameter.default, str | int | float | Path) and not parameter.is_flag
    return _row(names, text, "required" if parameter.required else str(parameter.default) if known else "")


def configuration_page() -> str:
    """Return every key of the YAML: those that all families share, then what each family adds or changes."""
    shared = describe_keys()
    lines = [_CONFIGURATION, *_keys(shared)]
    for name in registry.names("models"):
        family = registry.load("models", name)
        own = [key for key in describe_keys(name) if key not in shared]
        lines += [f"## `{name}`", "", f"{family.title}. {family.paper}.", "", *_keys(own), *_shipped(name)]
    return "\n".join(lines)


def _shipped(family: str) -> list[str]:
    """Return the shipped configuration of a family, in 2D where there are two."""
    path = min((_DOCS.parent / "configs").glob(f"{family}*.yaml"), key=lambda path: path.name)
    text = path.read_text(encoding="utf-8").rstrip()
    return [f"`configs/{path.name}`:", "", "```yaml", text, "```", ""]


def _keys(keys: list[KeyDescription]) -> list[str]:
    rows = [_row(f"`{key.path}`", key.text, key.kind, f"`{key.default}`" if key.default else "") for key in keys]
    return ["| key | meaning | may be | default |", "|---|---|---|---|", *rows, ""]


def components_page() -> str:
    """Return every registered component with its parameters."""
    lines = [_COMPONENTS]
    for group, contract in registry.GROUPS.items():
        lines += [f"## {contract.title} {{ #{group} }}", "", f"{contract.purpose} Named by: {contract.written}.", ""]
        lines += ["| name | what it is | parameters and defaults |", "|---|---|---|"]
        lines += [_row(names, summary_of(part), _parameters(part)) for names, part in _components(group)] + [""]
    return "\n".join(lines)


def _components(group: str) -> Iterator[tuple[str, Any]]:
    names: dict[int, list[str]] = {}
    parts = {}
    for name in registry.names(group):
        part = registry.load(group, name)
        names.setdefault(id(part), []).append(f"`{name}`")
        parts[id(part)] = part
    for key, every in names.items():
        yield ", ".join(every), parts[key]


def _parameters(part: Any) -> str:
    if isinstance(part, type) and issubclass(part, BaseModel):
        defaults = {key: field.get_default(call_default_factory=False) for key, field in part.model_fields.items()}
        required = {key for key, field in part.model_fields.items() if field.is_required()}
    elif inspect.isfunction(part):
        signature = inspect.signature(part).parameters.values()
        known = [each for each in signature if each.kind is not inspect.Parameter.POSITIONAL_ONLY]
        defaults = {each.name: each.default for each in known}
        required = {each.name for each in known if each.default is inspect.Parameter.empty}
    else:
        return ""
    return ", ".join(f"`{key}`" if key in required else f"`{key}={value}`" for key, value in defaults.items())


def decisions_page() -> str:
    """Return the list of the decisions with links."""
    lines = ["# Decisions", "", "Choices worth knowing, with their reasons and costs.", ""]
    decisions = sorted((_DOCS / "decisions").glob("*.md"))
    return "\n".join([*lines, *(f"- [{_title(path)}]({path.name})" for path in decisions)])


def _title(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def _row(*cells: str) -> str:
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(cell: str) -> str:
    return cell.replace("``", "`").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ").strip()
