"""Where the numbers of a run go: CSV and TensorBoard always, MLflow and Weights & Biases when they are asked for."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any

from gandlf_synth.config import Config, LoggingConfig, MLflowConfig, WandbConfig
from gandlf_synth.errors import MissingExtraError, Problem, ResourceError
from gandlf_synth.files import read_json, write_json
from gandlf_synth.launcher import is_first_process
from gandlf_synth.model_folder import ModelFolder

_PACKAGES = {"mlflow": ("mlflow", "sqlalchemy", "alembic"), "wandb": ("wandb",)}
_LONGEST_PARAMETER = 250
"""Characters of a value that Lightning's logger gives to MLflow."""


def check_loggers(trackers: LoggingConfig | None) -> None:
    """Refuse trackers that are not installed, before anything is written.

    Raises:
        MissingExtraError: a package of a tracker is missing.
    """
    for name, packages in _PACKAGES.items():
        for package in packages if getattr(trackers, name, None) else ():
            if not find_spec(package):
                raise MissingExtraError(f"logging_config.{name}", package, name)


@contextmanager
def opened_loggers(config: Config, folder: ModelFolder) -> Iterator[list[Any]]:
    """Give Lightning's loggers for the length of the block; the first process alone writes to trackers.

    Args:
        config: the resolved configuration, which trackers get as parameters.
        folder: where everything goes that is not sent to a server by the user's wish. A folder that knows the runs
            that trackers gave it goes on with them.

    Raises:
        ResourceError: a tracker cannot be reached or written.
    """
    trackers = config.logging_config
    with ExitStack() as stack:
        loggers = _files(folder)
        if trackers is not None and is_first_process():
            known = read_json(folder.tracked_runs) if folder.tracked_runs.is_file() else {}
            runs = dict(known)
            content = config.model_dump(mode="json", by_alias=True, exclude_none=True)
            if trackers.mlflow:
                logger = _mlflow(trackers.mlflow, content, folder, known.get("mlflow"))
                loggers.append(logger)
                runs["mlflow"] = logger.run_id
            if trackers.wandb:
                logger = _wandb(trackers.wandb, content, folder, known.get("wandb"))
                loggers.append(logger)
                run = logger.experiment
                # Lightning leaves the run open, and the next training in this process would go on with it.
                stack.push(lambda kind, *_: run.finish(exit_code=int(kind is not None)))
                runs["wandb"] = run.id
            write_json(folder.tracked_runs, runs)
        yield loggers


def _files(folder: ModelFolder) -> list[Any]:
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    run = f"run_{len(list(folder.logs.glob('run_*')))}"
    return [logger(folder.root, name=folder.logs.name, version=run) for logger in (CSVLogger, TensorBoardLogger)]


def _mlflow(options: MLflowConfig, content: Mapping[str, object], folder: ModelFolder, known: str | None) -> Any:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when mlflow is imported
    from lightning.pytorch.loggers import MLFlowLogger
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    root = folder.root.resolve()
    uri = options.tracking_uri or f"sqlite:///{root / 'mlflow.db'}"
    try:
        logger = MLFlowLogger(
            options.experiment_name,
            options.run_name or root.name,
            uri,
            artifact_location=None if options.tracking_uri else (root / "mlflow_artifacts").as_uri(),
            run_id=known if known and _is_kept(MlflowClient(uri), known) else None,
        )
        logger.experiment.update_run(logger.run_id, status="RUNNING")
        _log_parameters(logger, content)
    except MlflowException as error:
        what = f"{uri} cannot be used: {error}"
        raise ResourceError(Problem("logging_config.mlflow", what, fix="correct tracking_uri")) from error
    return logger


def _is_kept(client: Any, run_id: str) -> bool:
    """Say whether the store still has the run; another store than the one of the earlier run has not."""
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.get_run(run_id).info.lifecycle_stage == "active")
    except MlflowException:
        return False


def _log_parameters(logger: Any, content: Mapping[str, object]) -> None:
    """Log parameters; MLflow refuses to change those of an earlier start, so what differs becomes a tag."""
    now = dict(_flat(content))
    earlier = logger.experiment.get_run(logger.run_id).data.params
    logger.log_hyperparams({name: value for name, value in now.items() if name not in earlier})
    for name in now.keys() & earlier.keys():
        if now[name] != earlier[name]:
            logger.experiment.set_tag(logger.run_id, f"resumed/{name}", now[name])


def _flat(content: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", str(value)[:_LONGEST_PARAMETER]


def _wandb(options: WandbConfig, content: dict[str, object], folder: ModelFolder, known: str | None) -> Any:
    os.environ["WANDB_ERROR_REPORTING"] = "false"  # read when wandb is imported
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    root = folder.root.resolve()
    logger = WandbLogger(
        options.name or root.name,
        root,
        known,
        project=options.project,
        entity=options.entity,
        mode=options.mode,
        settings=wandb.Settings(console="off", silent=True),
    )
    try:
        logger.log_hyperparams(content)
    except wandb.errors.Error as error:
        what = f"the run cannot be opened: {error}"
        raise ResourceError(Problem("logging_config.wandb", what, fix="log in, or use mode: offline")) from error
    return logger
