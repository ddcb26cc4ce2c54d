"""``gandlf-synth reconstruct``."""

from pathlib import Path

import click

from gandlf_synth.cli.options import checkpoint_option, config_option, model_dir_option


@click.command()
@model_dir_option
@config_option(required=False)
@checkpoint_option
def reconstruct(model_dir: Path, config: Path | None, checkpoint: Path | None) -> None:
    """Pass images through a trained model of a family that reconstructs (autoencoders)."""
    from gandlf_synth import api

    api.reconstruct(model_dir, config, checkpoint)
