"""``gandlf-synth init``, ``new-model`` and ``demo``: how to begin."""

from pathlib import Path

import click

from gandlf_synth.cli.options import LOCAL_PATH, PATH, console, emit, json_option
from gandlf_synth.config.size import bytes_of
from gandlf_synth.errors import ConfigError, Problem


@click.command()
@click.argument("source", type=PATH)
@click.option(
    "-o", "--project", type=LOCAL_PATH, default=Path("project"), show_default=True, help="Folder to write into."
)
@click.option("--model", "model_name", help="The family; absent: chosen for the data.")
@click.option("--memory", help="What training may take, such as 8GB; absent: what the device has.")
@click.option(
    "--held-out",
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of the subjects kept for evaluate, in test.csv; absent: 0.2 of 50 or more in a folder without splits.",
)
@json_option
def init(
    source: Path, project: Path, model_name: str | None, memory: str | None, held_out: float | None, as_json: bool
) -> None:
    """Look at SOURCE, a folder of images or a CSV, and write a CSV and a commented YAML that train as they are."""
    from gandlf_synth.projects.start import start_project

    terminal = console()
    memory_bytes = _bytes(memory)
    written = start_project(
        source, project, terminal, model_name=model_name, memory_bytes=memory_bytes, held_out=held_out
    )
    for note in written.notes:
        terminal.print(f"  note: {note}", highlight=False)
    terminal.print(f"Wrote {written.config}. Next:", highlight=False)
    emit(written, "\n".join(written.commands), as_json)


def _bytes(text: str | None) -> int | None:
    try:
        return None if text is None else bytes_of(text)
    except ValueError as error:
        raise ConfigError(
            Problem("--memory", f"{text!r} is not a size", "a number with a unit, such as 8GB")
        ) from error


@click.command("new-model")
@click.argument("name")
@click.option(
    "-o", "--output", "folder", type=LOCAL_PATH, default=Path(), help="Folder to write into; absent: this one."
)
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
        write_text(path, text.replace("NAME", name), new=True)
    then = f"Next: pytest {folder / f'test_{name}.py'}; then set model_name: {name} and train --plugin {name}.py"
    emit(list(files), "\n".join([*map(str, files), then]), as_json)


@click.command()
@click.option("-o", "--output", type=LOCAL_PATH, default=Path("demo_output"), show_default=True, help="Folder to make.")
@click.option(
    "--data-dir", type=PATH, help="Images of your own, <class>/<subject>/<file>; absent: brain slices from a package."
)
@click.option(
    "--dimensions", type=click.Choice(["2", "3"]), default="2", show_default=True, help="Of the built-in images."
)
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), default=4.0, show_default=True, help="Training time."
)
@click.option(
    "--task", type=click.Choice(["inpainting", "super-resolution", "mask"]),
    help="Make images from others: fill holes, refine coarse slices, images for masks. Absent: new images of classes.",
)  # fmt: skip
@json_option
def demo(output: Path, data_dir: Path | None, dimensions: str, minutes: float, task: str | None, as_json: bool) -> None:
    """Do the whole job on real images: CSV, training, synthesis, and a sheet of real beside synthetic."""
    from gandlf_synth.demo.demo import run_demo

    result = run_demo(output, console(), data_dir=data_dir, dimensions=int(dimensions), minutes=minutes, task=task)
    emit(result, result.sheet, as_json)
