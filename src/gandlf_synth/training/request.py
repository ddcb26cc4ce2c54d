"""What the user asks of a training run, and the configuration and splits that follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gandlf_synth.config import Config, Document, LoadedConfig, Phase, merged, read_document, validate
from gandlf_synth.data.table.manifest import Manifest, read_manifest
from gandlf_synth.data.table.splits import check_disjoint, check_labels, split
from gandlf_synth.errors import ConfigError, DataError, Problem, option, raise_if_any
from gandlf_synth.files import TakesPaths
from gandlf_synth.model_folder import Mode, ModelFolder

SAMPLE_METRICS = ["sample_kid", "sample_precision", "sample_recall", "sample_density", "sample_coverage"]
"""What ``sample_metrics_config`` logs."""
_FEWEST_TO_MEASURE = 5


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


def read_configuration(request: TrainingRequest) -> LoadedConfig:
    """Return the validated configuration; when resuming, laid over the choices of the earlier run.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    document = request.config if isinstance(request.config, Document) else read_document(request.config)
    if request.mode == "resume" and request.folder.resolved_config.is_file():
        earlier = read_document(request.folder.resolved_config).content
        document = replace(document, content=merged(earlier, _decided(document.content)))
    loaded = validate(document)
    _check_validation(loaded, request)
    _check_early_stopping(loaded, request)
    return loaded


def _decided(content: dict[str, Any]) -> dict[str, Any]:
    """Return ``content`` without what it leaves open."""
    nested = {key: _decided(value) if isinstance(value, dict) else value for key, value in content.items()}
    return {key: value for key, value in nested.items() if value != "auto"}


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


def read_splits(request: TrainingRequest, config: Config[Any]) -> dict[Phase, Manifest]:
    """Return the manifests of train, val and test, from CSVs of their own or split off by subject.

    Raises:
        DataError: what is wrong with a CSV, an empty split, or a subject in two splits.
    """
    manifest = read_manifest(request.train_csv)
    test_ratio = 0.0 if request.test_csv else request.test_ratio
    val_ratio = 0.0 if request.val_csv else request.val_ratio
    found: dict[Phase, Manifest] = dict(split(manifest, test_ratio, val_ratio, config.seed))
    given: dict[Phase, Path | None] = {"val": request.val_csv, "test": request.test_csv}
    for phase, path in given.items():
        if path:
            found[phase] = read_manifest(path)
            if config.model.labeling_paradigm != "unlabeled":
                check_labels(found["train"], found[phase])
    check_disjoint(found)
    _check_enough(found, config)
    return found


def _check_enough(splits: Mapping[Phase, Manifest], config: Config[Any]) -> None:
    if config.sample_metrics_config is None:
        return
    problems = [
        Problem(
            str(splits[phase].path),
            f"gives {len(splits[phase].samples)} {phase} images, too few for sample_metrics_config",
            f"{_FEWEST_TO_MEASURE} or more; 50 give useful intervals",
            "give more, or leave the section out",
        )
        for phase in ("train", "val")
        if len(splits[phase].samples) < _FEWEST_TO_MEASURE
    ]
    raise_if_any(problems, DataError)
