"""``gandlf-synth new-model``."""

from pathlib import Path

import click

from gandlf_synth.cli.options import PATH, emit, json_option
from gandlf_synth.errors import ConfigError, Problem


@click.command("new-model")
@click.argument("name")
@click.option("-o", "--output", "folder", type=PATH, default=Path(), help="Folder to write into; absent: this one.")
@json_option
def new_model(name: str, folder: Path, as_json: bool) -> None:
    """Write a commented model of your own, NAME.py, and a test that says which promises it keeps."""
    from gandlf_synth.files import write_text
    from gandlf_synth.projects.new_model import MODEL, TEST

    if not name.isidentifier() or name != name.lower():
        raise ConfigError(Problem("NAME", f"{name!r} is not a name for a model", "lower-case letters, digits and _"))
    files = {folder / f"{name}.py": MODEL, folder / f"test_{name}.py": TEST}
    existing = [str(path) for path in files if path.exists()]
    if existing:
        raise ConfigError(Problem(", ".join(existing), "exists", fix="choose another name or folder"))
    for path, text in files.items():
        write_text(path, text.replace("NAME", name))
    then = f"Next: pytest {folder / f'test_{name}.py'}; then set model_name: {name} and train --plugin {name}.py"
    emit(list(files), "\n".join([*map(str, files), then]), as_json)
