"""``gandlf-synth verify-install``."""

import click


@click.command("verify-install")
def verify_install() -> None:
    """Say which versions and devices are there, and run one real training step on each device."""
    from gandlf_synth import api

    report = api.verify_install()
    for name, found in report.versions.items():
        click.echo(f"{name:14} {found}")
    click.echo(f"{'cores':14} {report.hardware['cores']}")
    for step in report.steps:
        click.echo(
            f"{step.device:14} {step.name}: one training step of ddpm, loss {step.loss:.3f}, {step.seconds:.2f} s"
        )
    click.echo("GaNDLF-Synth is installed and works.")
