"""The model that another builds on: trained first, by the same command, in a folder inside the model folder."""

from collections.abc import Callable
from dataclasses import replace

from rich.console import Console

from gandlf_synth.config import Config, Document, Prerequisite
from gandlf_synth.display.console import Reporter
from gandlf_synth.model_folder import Mode, ModelFolder
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.checkpoint import load_module
from gandlf_synth.ranks import meet
from gandlf_synth.training.record import read_run_record
from gandlf_synth.training.request import SAMPLE_METRICS, TrainingRequest


def train_first_stage(
    module: GenerativeModule,
    stage: Prerequisite,
    request: TrainingRequest,
    config: Config,
    reporter: Reporter,
    train: Callable[[TrainingRequest, Console], object],
) -> None:
    """Give ``module`` its trained first stage.

    Args:
        module: the model, untrained.
        stage: what it builds on, which is not trained yet.
        request: the whole run; data and mode are the same for the first stage.
        config: the resolved configuration of the whole run.
        reporter: says which stage runs.
        train: trains what a request asks for.

    Raises:
        CheckpointError: an earlier first stage in the folder does not fit the model.
    """
    folder = request.folder.first_stage
    if not meet().broadcast(_finished(folder)):
        reporter.say(f"First stage: {stage.model.model_name}", "bold")
        train(_request(request, config, stage, folder), reporter.console)
    module.load_first_stage(load_module(folder.choose_checkpoint(None)))
    reporter.say(f"Second stage: {config.model.model_name}", "bold")


def seconds_left(request: TrainingRequest, stage: Prerequisite) -> float | None:
    """Return the seconds of ``request`` that the training of the first stage, where there was one, has left."""
    record = read_run_record(request.folder.first_stage.record) if stage.checkpoint is None else None
    used = meet().broadcast(record.seconds if record is not None else 0.0)
    return None if request.seconds is None else max(1.0, request.seconds - used)


def _finished(folder: ModelFolder) -> bool:
    record = read_run_record(folder.record) if folder.last.is_file() else None
    return record is not None and bool(record.sessions) and bool(record.sessions[-1].ended)


def _request(request: TrainingRequest, config: Config, stage: Prerequisite, folder: ModelFolder) -> TrainingRequest:
    content = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    content["model_config"] = stage.model.model_dump(mode="json", by_alias=True, exclude_none=True)
    content.pop("sample_metrics_config", None)
    if content.get("early_stopping_config", {}).get("monitor_value") in SAMPLE_METRICS:
        del content["early_stopping_config"]
    content["batch_size"] = stage.batch_size or config.batch_size
    content["num_epochs"] = stage.epochs(config.num_epochs)
    mode: Mode = "resume" if request.mode == "resume" and folder.last.is_file() else "reset"
    return replace(
        request,
        config=Document("first stage", content),
        model_dir=folder.root,
        mode=mode,
        checkpoint=None,
        init_from=None,
        seconds=None if request.seconds is None else request.seconds * stage.fraction,
    )
