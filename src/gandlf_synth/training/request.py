"""What the user asks of a training run, and the configuration that follows from it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gandlf_synth.config import Document, LoadedConfig, ModelConfig, merged, read_document, validate
from gandlf_synth.errors import CheckpointError, ConfigError, Problem, option, raise_if_any
from gandlf_synth.files import TakesPaths
from gandlf_synth.model_folder import Mode, ModelFolder

if TYPE_CHECKING:
    from gandlf_synth.data.loading.spec import DataSpec

SAMPLE_METRICS = ["sample_kid", "sample_precision", "sample_recall", "sample_density", "sample_coverage"]
"""What ``sample_metrics_config`` logs."""
ENDLESS = 100_000
"""Epochs of a run that the clock ends."""
_MAY_CHANGE = {
    "losses", "optimizers", "schedulers", "gradient_clip_val", "gradient_clip_algorithm", "accumulate_grad_batches",
    "save_eval_images_every_n_epochs", "n_fixed_images_to_generate", "fixed_images_batch_size",
    "fixed_latent_vector_seed", "ema_decay",
}  # fmt: skip
"""Keys of ``model_config`` that a run which goes on may change."""


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
        seconds: stop after this wall time; None: after ``num_epochs``.
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


def read_written(config: Path | Document) -> Document:
    """Return the configuration as it was written.

    Raises:
        ConfigError: it cannot be read, or is not YAML.
    """
    return config if isinstance(config, Document) else read_document(config)


def read_configuration(request: TrainingRequest) -> LoadedConfig:
    """Return the validated configuration; when resuming, laid over the choices of the earlier run.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    document = read_written(request.config)
    if request.mode == "resume" and request.folder.resolved_config.is_file():
        earlier = read_document(request.folder.resolved_config).content
        document = replace(document, content=merged(earlier, _decided(document.content)))
    loaded = validate(document)
    _check_end(loaded, request)
    _check_validation(loaded, request)
    _check_early_stopping(loaded, request)
    return loaded


def _decided(content: dict[str, object]) -> dict[str, object]:
    """Return ``content`` without what it leaves open."""
    nested = {key: _decided(value) if isinstance(value, dict) else value for key, value in content.items()}
    return {key: value for key, value in nested.items() if value != "auto"}


def _check_end(loaded: LoadedConfig, request: TrainingRequest) -> None:
    if loaded.config.num_epochs >= ENDLESS and request.seconds is None:
        where = loaded.document.where(("num_epochs",))
        what = f"is {loaded.config.num_epochs:,}, which only a limit of time ends, and there is none"
        fix = "limit the time of the run as before, or write the number of epochs"
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


def check_same_model(checkpoint: Path, model: ModelConfig, spec: "DataSpec") -> None:
    """Refuse to resume when the configuration or the data would make another model.

    Raises:
        CheckpointError: every difference.
    """
    from gandlf_synth.models.checkpoint import checkpoint_description, read_checkpoint

    saved_model, saved_spec = checkpoint_description(read_checkpoint(checkpoint))
    where, problems = str(checkpoint), []
    now = model.model_dump(mode="json")
    for key in sorted(set(saved_model) | set(now)):
        if key not in _MAY_CHANGE and saved_model.get(key) != now.get(key):
            what = f"was trained with model_config.{key} = {saved_model.get(key)}, which is now {now.get(key)}"
            problems.append(Problem(where, what, fix="restore it, or train a new model in another folder"))
    for key in ("spatial_dims", "num_channels", "shape", "labels", "class_names"):
        before, after = getattr(saved_spec, key), getattr(spec, key)
        if before != after:
            what = f"was trained on data with {key} = {before}, which is now {after}"
            problems.append(Problem(where, what, fix="resume with the data that the run began with"))
    raise_if_any(problems, CheckpointError)
