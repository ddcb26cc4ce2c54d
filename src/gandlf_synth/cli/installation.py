"""``gandlf-synth doctor`` and ``gandlf-synth verify-install``: is everything there, and does it work?"""

import json
from pathlib import Path

import click

from gandlf_synth.cli.options import PATH, emit, json_option


@click.command()
@click.argument("file", type=PATH, required=False)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def doctor(file: Path | None, as_json: bool) -> None:
    """Say what is installed, what is missing and how to get it; or, for FILE, where a synthetic image comes from."""
    from gandlf_synth import api

    content = api.provenance_of(file) if file else api.installation()
    if as_json or file:
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
