"""What is registered in a group, told without importing it: names, one line, and who brings it."""

import ast
import inspect
from functools import cache, lru_cache
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path

from gandlf_synth import registry

PLUGIN = "--plugin"
"""Where components come from that are no part of an installed package."""


def list_components(group: str) -> list[tuple[list[str], str, str]]:
    """Return the names of each component of ``group``, its first line, and the package that brings it.

    Names of one component stand together. The first line is read from the source, because importing a component may
    import torch; it is empty where there is none.

    Raises:
        PluginError: there is no such group.

    Example:
        >>> [names for names, _, _ in list_components("schedulers") if "exp" in names]
        [['exp', 'exponential']]
    """
    plugins = dict(registry.registered(group))
    entries = {name: entry for name, entry in registry.entries(group).items() if name not in plugins}
    rows: dict[str, tuple[list[str], str, str]] = {}
    for name in registry.names(group):
        if name in plugins:
            rows[f"{PLUGIN} {id(plugins[name])}"] = ([name], summary_of(plugins[name]), PLUGIN)
            continue
        entry = entries[name]
        if entry.value not in rows:
            line = summary_of(entry.load()) if group == "models" else _summary_in_source(entry.module, entry.attr)
            rows[entry.value] = ([], line, _name_of(entry.dist))
        rows[entry.value][0].append(name)
    return list(rows.values())


def summary_of(component: object) -> str:
    """Return what a component says of itself in one line: the title of a family, else the start of its docstring."""
    title = getattr(component, "title", "")
    return title if isinstance(title, str) and title else (inspect.getdoc(component) or "").partition("\n")[0]


def _summary_in_source(module: str, name: str) -> str:
    """Return the first line of the docstring of ``name``, which ``module`` defines or imports from another."""
    for node in _statements(module):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
        if isinstance(node, ast.ImportFrom) and node.module:
            originals = {alias.asname or alias.name: alias.name for alias in node.names}
            if name in originals:
                return _summary_in_source(node.module, originals[name])
    return ""


@lru_cache(maxsize=64)
def _statements(module: str) -> list[ast.stmt]:
    """Return what stands at the top of a module."""
    file = _file_of(module)
    return ast.parse(file.read_bytes()).body if file else []


@cache
def _name_of(distribution: Distribution | None) -> str:
    return distribution.name if distribution else ""


def _file_of(module: str) -> Path | None:
    """Return the source of a module; only its outermost package is looked up, and nothing is imported."""
    package, *inner = module.split(".")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent.joinpath(*inner) if inner else Path(spec.origin)
    files = (path, path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)
