"""Given images through a trained model and back."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gandlf_synth import registry
from gandlf_synth.api.models import configuration_of, given_images
from gandlf_synth.errors import ConfigError, Problem, listing
from gandlf_synth.files import TakesPaths
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.ranks import Ranks

if TYPE_CHECKING:
    from rich.console import Console

    from gandlf_synth.synthesis.reconstruct import ReconstructionResult


@dataclass(frozen=True)
class ReconstructionRequest(TakesPaths):
    """What to reconstruct; None takes the model's or the configuration's own value.

    Args:
        model_dir: the model folder.
        csv: the images.
        output_dir: where ``<model folder>_inference_output[_k]`` is made; None: inside the model folder.
        config: the YAML, for its preprocessing and metrics; None: those that the model was trained with.
        checkpoint: the checkpoint; None: the best, else the last.
        batch_size: images passed together.
        output_format: as in ``inference_parameters``.
    """

    model_dir: Path
    csv: Path
    output_dir: Path | None = None
    config: Path | None = None
    checkpoint: Path | None = None
    batch_size: int = 1
    output_format: str = "auto"


def reconstruct(request: ReconstructionRequest, console: "Console | None" = None) -> "ReconstructionResult":
    """Pass images through a trained model of a family that can, and compare them with what comes out.

    Raises:
        ConfigError: the family cannot reconstruct, or the images are not like those it was trained on.
        DataError: an image cannot be used.
        CheckpointError: there is no usable checkpoint; nothing is written.
    """
    folder = ModelFolder(request.model_dir)
    checkpoint = folder.choose_checkpoint(request.checkpoint)
    loaded = configuration_of(request.config, folder)

    from gandlf_synth.data.formats.writers import choose_writer
    from gandlf_synth.display.console import progress_bar, silent_console
    from gandlf_synth.models.checkpoint import load_module
    from gandlf_synth.synthesis.output import inference_folder, model_source
    from gandlf_synth.synthesis.reconstruct import reconstruct_images
    from gandlf_synth.synthesis.store_files import check_no_store

    check_no_store(request.output_format)
    module = load_module(checkpoint)
    spec = module.spec
    _check_reconstructs(module.config.model_name)
    manifest, pipeline = given_images(request.csv, spec, loaded)
    return reconstruct_images(
        module.to(Ranks().device),
        manifest,
        pipeline,
        inference_folder(folder.root, request.output_dir),
        model_source(module, checkpoint, folder.root),
        progress_bar(console or silent_console()),
        batch_size=request.batch_size,
        writer=choose_writer(request.output_format, spec.modality, spec.spatial_dims, spec.dtype, exact=True),
        metrics=[metric.name for metric in loaded.config.metrics] if loaded else [],
    )


def _check_reconstructs(name: str) -> None:
    able = [other for other in registry.names("models") if "reconstruction" in registry.load("models", other).tasks]
    if name not in able:
        what = f"{name!r} synthesises new images and cannot reconstruct given ones"
        raise ConfigError(Problem("model_config.model_name", what, listing(able)))
