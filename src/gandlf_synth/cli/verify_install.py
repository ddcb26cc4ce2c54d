"""``gandlf-synth verify-install``."""

import click

from gandlf_synth.cli.options import emit, json_option


@click.command("verify-install")
@json_option
def verify_install(as_json: bool) -> None:
    """Say which versions and devices are there, and run one real training step on each device."""
    from gandlf_synth import api

    report = api.verify_install()
    lines = [f"{name:14} {found}" for name, found in report.versions.items()]
    lines.append(f"{'cores':14} {report.hardware['cores']}")
    for step in report.steps:
        what = f"one training step of ddpm, loss {step.loss:.3f}, {step.seconds:.2f} s"
        lines.append(f"{step.device:14} {step.name}: {what}")
    emit(report, "\n".join([*lines, "GaNDLF-Synth is installed and works."]), as_json)
