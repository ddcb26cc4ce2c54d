"""``gandlf-synth doctor`` and ``gandlf-synth verify-install``: is everything there, and does it work?"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gandlf_synth.cli.options import PATH, emit, json_option
from gandlf_synth.errors import DataError, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gandlf_synth.diagnostics.verification import FileVerdict

_OF_MODELS = (".ckpt", ".safetensors")


@click.command()
@click.argument("path", type=PATH, required=False)
@click.option(
    "--public-key", type=PATH, metavar="FILE", help="Ed25519 key with which all images under PATH must be signed."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.pass_context
def doctor(context: click.Context, path: Path | None, public_key: Path | None, as_json: bool) -> None:
    """Say what is installed, what is missing and how to get it; or check the synthetic images under PATH.

    Of a folder it says of each image whether it is marked as synthetic, still as it was made, and signed. Of one file
    it says this too, and where the file comes from. The exit code is 3 where anything is not as it was made.
    """
    from gandlf_synth import api

    if path is None:
        _show_installation(api.installation(), as_json)
        return
    if path.suffix in _OF_MODELS:
        click.echo(json.dumps(api.provenance_of(path), indent=2))
        return
    verdicts = api.verify_images(path, public_key)
    if path.is_dir() and [each.file for each in verdicts] != [path]:
        shown = [
            f"{'ok     ' if each.ok else 'NOT OK '} {each.file.relative_to(path)} {each.sentence}" for each in verdicts
        ]
        emit(verdicts, "\n".join([*shown, _summary(verdicts)]), as_json)
    else:
        for each in verdicts:
            click.echo(f"{each.file} {each.sentence}", err=True)
        click.echo(json.dumps(api.provenance_of(path), indent=2))
    if not all(each.ok for each in verdicts):
        context.exit(DataError.exit_code)


def _summary(verdicts: "Sequence[FileVerdict]") -> str:
    wrong = sum(not each.ok for each in verdicts)
    signed = sum(bool(each.signed_by) for each in verdicts)
    return f"{counted(len(verdicts), 'file')}: {len(verdicts) - wrong} as they were made ({signed} signed), {wrong} not"


def _show_installation(content: dict[str, dict[str, str]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(content, indent=2))
        return
    for title, part in content.items():
        click.echo(click.style(title, bold=True))
        for name, text in part.items():
            click.echo(f"  {name:22} {text}")


@click.command("verify-install")
@json_option
def verify_install(as_json: bool) -> None:
    """Say which versions and devices are there, and run one real training step on each device."""
    from gandlf_synth import api

    report = api.verify_install()
    lines = [f"{name:14} {version}" for name, version in report.versions.items()]
    lines.append(f"{'cores':14} {report.hardware['cores']}")
    for step in report.steps:
        what = f"one training step of ddpm, loss {step.loss:.3f}, {step.seconds:.2f} s"
        lines.append(f"{step.device:14} {step.name}: {what}")
    emit(report, "\n".join([*lines, "GaNDLF-Synth is installed and works."]), as_json)
