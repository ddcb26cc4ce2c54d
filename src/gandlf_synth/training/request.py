"""What the user asks of a training run, and the configuration that follows from it."""

from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from gandlf_synth.config import Config, Document, LoadedConfig, laid_over, load_config, read_document, validate
from gandlf_synth.config.messages import problems_of
from gandlf_synth.config.spellings import with_own_names
from gandlf_synth.errors import ConfigError, Problem, option
from gandlf_synth.files import TakesPaths
from gandlf_synth.launcher import launcher_began
from gandlf_synth.model_folder import Mode, ModelFolder
from gandlf_synth.ranks import Ranks

SAMPLE_METRICS = ["sample_kid", "sample_precision", "sample_recall", "sample_density", "sample_coverage"]
"""What ``sample_metrics_config`` logs."""
ENDLESS = 100_000
"""Epochs of a run that the clock ends."""


@dataclass(frozen=True)
class TrainingRequest(TakesPaths):
    """What the user asked for.

    Args:
        config: the YAML, or one that was parsed already.
        train_csv: the training CSV.
        model_dir: where the run goes.
        val_csv, test_csv: CSVs of their own for validation and test.
        val_ratio, test_ratio: fractions to split off the training CSV where there is no such CSV.
        mode: new run, resume, or reset.
        checkpoint: where to resume from; None: the last checkpoint in the model folder.
        seconds: stop when the run, all its sessions together, has trained for this time; None: after ``num_epochs``.
        new_data: go on with other data than the run began with.
        init_from: a trained model to start from, in place of the path in ``model_config.init_from``.
        command: the call that repeats the run, for the record.

    >>> request = TrainingRequest("config.yaml", "data.csv", "model", val_ratio=0.1)
    >>> request.folder.last.as_posix()
    'model/checkpoints/last.ckpt'
    """

    config: Path | Document
    train_csv: Path
    model_dir: Path
    val_csv: Path | None = None
    test_csv: Path | None = None
    val_ratio: float = 0.0
    test_ratio: float = 0.0
    mode: Mode = "new"
    checkpoint: Path | None = None
    seconds: float | None = None
    new_data: bool = False
    init_from: Path | None = None
    command: str = ""

    @property
    def folder(self) -> ModelFolder:
        """The model folder."""
        return ModelFolder(self.model_dir)

    @property
    def resume_from(self) -> Path | None:
        """The checkpoint to go on from, or None for a run that begins."""
        if self.mode != "resume" or self.checkpoint:
            return self.checkpoint if self.mode == "resume" else None
        in_first_stage = self.folder.first_stage.last.is_file() and not self.folder.last.is_file()
        return None if in_first_stage else self.folder.last


def after_restart(request: TrainingRequest, ranks: Ranks) -> TrainingRequest:
    """Return the request of processes that torchrun may have started before: their run goes on, whatever began it."""
    began = launcher_began() if ranks.is_first else None
    mode: Mode = ranks.broadcast(request.mode if began is None else request.folder.mode_after(began, request.mode))
    goes_on = mode == "resume" != request.mode
    return replace(request, mode=mode, init_from=None if goes_on else request.init_from)


def read_written(config: Path | Document) -> Document:
    """Return the configuration as it was written.

    Raises:
        ConfigError: it cannot be read, or is not YAML.
    """
    return config if isinstance(config, Document) else read_document(config)


def read_configuration(request: TrainingRequest) -> LoadedConfig:
    """Return the validated configuration; when resuming, laid over the one that the run has been trained with.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    document = _starting_from(read_written(request.config), request)
    earlier = earlier_configuration(request)
    loaded = validate(document) if earlier is None else _going_on(earlier, document)
    _check_end(loaded, request)
    _check_validation(loaded, request)
    _check_early_stopping(loaded, request)
    return loaded


def _starting_from(document: Document, request: TrainingRequest) -> Document:
    """Return ``document`` with the trained model that the request names."""
    if request.init_from is None:
        return document
    flag = option("init_from")
    if request.mode == "resume":
        what = f"begins a training, and {option('resume')} goes on with one"
        raise ConfigError(Problem(flag, what, fix="leave one of them out"))
    document = with_own_names(document)
    section = document.content.get("model_config")
    if not isinstance(section, dict):
        return document
    written = section.get("init_from")
    path = {"path": str(request.init_from)}
    start = {**written, **path} if isinstance(written, dict) else path
    content = {**document.content, "model_config": {**section, "init_from": start}}
    places = {**document.places, ("model_config", "init_from"): flag}
    return replace(document, content=content, places=places)


def earlier_configuration(request: TrainingRequest) -> Config | None:
    """Return the configuration that the run to resume has been trained with, nothing in it ``auto``."""
    resolved = request.folder.resolved_config
    return load_config(resolved).config if request.mode == "resume" and resolved.is_file() else None


def _going_on(earlier: Config, document: Document) -> LoadedConfig:
    """Return what ``document`` says; what it leaves out or ``auto`` is as it was."""
    document = with_own_names(document)
    section, name = document.content.get("model_config") or {}, earlier.model.model_name
    if isinstance(section, dict):
        now = section.get("model_name", name)
        if now != name:
            where = document.where(("model_config", "model_name"))
            what = f"is {now}, and the model folder holds a run of {name}"
            raise ConfigError(Problem(where, what, fix="train a new model in another folder"))
        document = replace(document, content={**document.content, "model_config": {**section, "model_name": name}})
    loaded = validate(document)
    try:
        return replace(loaded, config=_with_own_strategy(laid_over(earlier, loaded.config), earlier, loaded.config))
    except ValidationError as error:
        raise ConfigError(*problems_of(error, loaded.document, type(earlier))) from error


def _with_own_strategy(config: Config, earlier: Config, written: Config) -> Config:
    """Return ``config`` without the settings of the strategy that the run had, where it has another one now."""
    if config.compute.strategy == earlier.compute.strategy or "strategy_config" in written.compute.model_fields_set:
        return config
    return config.model_copy(update={"compute": config.compute.model_copy(update={"strategy_config": {}})})


def _check_end(loaded: LoadedConfig, request: TrainingRequest) -> None:
    if loaded.config.num_epochs >= ENDLESS and request.seconds is None:
        where = loaded.document.where(("num_epochs",))
        what = f"is {loaded.config.num_epochs:,}, which means until the time is over, and no time is given"
        fix = "give the time, such as --minutes 60, or write num_epochs"
        raise ConfigError(Problem(where, what, fix=fix))


def _check_validation(loaded: LoadedConfig, request: TrainingRequest) -> None:
    if loaded.config.sample_metrics_config is not None and not (request.val_csv or request.val_ratio > 0):
        where = loaded.document.where(("sample_metrics_config",))
        what = "has no validation images to compare with; nearness to training images would praise copies"
        raise ConfigError(Problem(where, what, fix=_give_validation()))


def _give_validation() -> str:
    return f"give validation data with {option('val_csv')} or {option('val_ratio')}"


def _check_early_stopping(loaded: LoadedConfig, request: TrainingRequest) -> None:
    stopping = loaded.config.early_stopping_config
    if stopping is None:
        return
    logged = ["train_loss"]
    if request.val_csv or request.val_ratio > 0:
        logged += ["val_loss", *(f"val_{metric.name}" for metric in loaded.config.metrics)]
    if loaded.config.sample_metrics_config is not None:
        logged += SAMPLE_METRICS
    if stopping.monitor_value not in logged:
        where = loaded.document.where(("early_stopping_config", "monitor_value"))
        fix = "" if len(logged) > 1 else f"for val_loss, {_give_validation()}"
        raise ConfigError(Problem(where, f"{stopping.monitor_value!r} will not be logged", ", ".join(logged), fix))
