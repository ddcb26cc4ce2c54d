"""``gandlf-synth app``: a page that makes images, in the browser of this computer."""

import os
import signal
import sys
import webbrowser
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from gandlf_synth.cli.options import PATH, checkpoint_option, console, model_dir_option
from gandlf_synth.registry import loaded_plugins


@click.command()
@model_dir_option
@checkpoint_option
@click.option(
    "-i-dir",
    "--inference-output-dir",
    "output_dir",
    type=PATH,
    help="Folder for the images that are made; absent: the model folder.",
)
@click.option(
    "--refuse-copies",
    type=PATH,
    metavar="CSV",
    help="CSV of the training images: the page says how near each new image is to them; copies are made again.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page; absent: a free one.")
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
def app(
    model_dir: Path,
    checkpoint: Path | None,
    output_dir: Path | None,
    refuse_copies: Path | None,
    port: int,
    no_browser: bool,
) -> None:
    """Make and look at images in a browser, on this computer only.

    While the model is still training, its curves and sample grids are shown too.
    """
    from gandlf_synth.app.run import App
    from gandlf_synth.app.worker_process import WorkerOptions

    terminal = console()
    options = WorkerOptions(model_dir, checkpoint, refuse_copies, loaded_plugins())
    page = App(options, output_dir, port)

    def ready(url: str) -> None:
        click.echo(url)
        terminal.print("Open this address in a browser on this computer. It is secret; Ctrl-C ends.", highlight=False)
        if not no_browser and _has_screen():
            webbrowser.open(write_door(doors, url).as_uri())

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with TemporaryDirectory() as folder:
        doors = Path(folder)
        page.serve(ready)


def write_door(folder: Path, url: str) -> Path:
    """Write a page that leads to ``url``, and return it: others see a browser's command line, but not its files."""
    door = folder / "open.html"
    door.touch(mode=0o600)
    door.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={url}">', encoding="utf-8")
    return door


def _has_screen() -> bool:
    """Say whether a browser would have a window; others take over the terminal."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
