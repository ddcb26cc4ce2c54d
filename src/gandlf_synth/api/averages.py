"""Which average of the weights a trained model uses."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gandlf_synth.api.evaluation import check_makes_alone
from gandlf_synth.api.models import configuration_of, given_images, load_model
from gandlf_synth.api.synthesis import GenerationRequest, sampling_parameters
from gandlf_synth.errors import ConfigError, Problem
from gandlf_synth.files import TakesPaths

if TYPE_CHECKING:
    from rich.console import Console

    from gandlf_synth.config import LoadedConfig
    from gandlf_synth.evaluation.choose_average import AverageChoice
    from gandlf_synth.model_folder import ModelFolder


@dataclass(frozen=True)
class AverageRequest(TakesPaths):
    """How the averages in a model's checkpoints are compared.

    Args:
        model_dir: the model folder.
        csv: real images, best of subjects that the model was not trained on.
        count: images per average.
        batch_size: images sampled together.
        seed: decides the noise, the same for every average.
        extractor, extractor_weights: what turns images into features.
        allow_download: let the extractor fetch its weights.
    """

    model_dir: Path
    csv: Path
    count: int = 100
    batch_size: int = 16
    seed: int = 0
    extractor: str = "efficientnet-lite0"
    extractor_weights: Path | None = None
    allow_download: bool = False


def choose_average(request: AverageRequest, console: "Console | None" = None) -> "AverageChoice":
    """Find the average of the weights with the best images; everything that uses the model takes it from then on.

    Raises:
        ConfigError: the model makes images from others, or the images are not like those it was trained on.
        DataError: an image cannot be used.
        CheckpointError: there is no usable checkpoint.
        ResourceError: a training is writing to the folder.
    """
    from gandlf_synth.model_folder import ModelFolder

    folder = ModelFolder(request.model_dir)
    loaded = configuration_of(None, folder)
    module = check_makes_alone(load_model(request.model_dir))

    from gandlf_synth.display.console import progress_bar, silent_console
    from gandlf_synth.evaluation.choose_average import choose_average as compare
    from gandlf_synth.metrics.extractors import build_extractor
    from gandlf_synth.ranks import Ranks

    extractor = build_extractor(request.extractor, request.extractor_weights, allow_download=request.allow_download)
    extractor.check_images(module.spec.spatial_dims)
    manifest, pipeline = given_images(request.csv, module.spec, loaded)
    options = sampling_parameters(GenerationRequest(model_dir=request.model_dir), loaded, folder.sampling)
    device = Ranks().device
    with folder.locked():
        choice = compare(
            module, folder, manifest, pipeline, extractor.to(device), options, device,
            progress_bar(console or silent_console()),
            count=request.count, batch_size=request.batch_size, seed=request.seed,
        )  # fmt: skip
        _rewrite_changes(folder, loaded)
    return choice


def keep_average(model_dir: Path | str, name: str) -> Path:
    """Let a trained model use an average of its last checkpoint from now on, and return the file that holds it.

    Args:
        model_dir: the model folder.
        name: a width, such as ``0.1``, or ``usual``: as if none had been chosen.

    Raises:
        ConfigError: it is neither.
        CheckpointError: the last checkpoint holds no such average.
        ResourceError: a training is writing to the folder.
    """
    from gandlf_synth.model_folder import ModelFolder

    folder = ModelFolder(Path(model_dir))
    width = None if name == "usual" else _width_of(name)
    folder.choose_checkpoint(None)

    from gandlf_synth.models.stored_averages import write_average

    with folder.locked():
        if width is None:
            folder.forget_choice()
        else:
            write_average(folder.last, width, folder.chosen)
            folder.averages.unlink(missing_ok=True)
        _rewrite_changes(folder, configuration_of(None, folder))
    return folder.choose_checkpoint(None)


def _width_of(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        what = f"{name!r} is no average"
        raise ConfigError(Problem("--keep", what, "a width in model_config.ema_widths, or usual")) from None


def _rewrite_changes(folder: "ModelFolder", loaded: "LoadedConfig | None") -> None:
    """Let the file of changes of a training by ``lora`` be those of the weights that are used."""
    if loaded is None or loaded.config.model.lora is None:
        return
    from gandlf_synth.pretrained.changes_file import write_changes

    write_changes(folder.choose_checkpoint(None), folder.adapter)
