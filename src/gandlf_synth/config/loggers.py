"""Experiment trackers that a run is written to besides CSV and TensorBoard; names are the trackers' own."""

from typing import Literal, Self

from pydantic import model_validator

from gandlf_synth.config.section import Section


class MLflowConfig(Section):
    """How MLflow keeps the run."""

    experiment_name: str = "gandlf-synth"
    """Experiment that the run belongs to; made where there is none."""
    run_name: str | None = None
    """Name of the run; absent: the model folder's."""
    tracking_uri: str | None = None
    """Database or server; absent: ``mlflow.db`` in the model folder, whatever the environment says."""


class WandbConfig(Section):
    """How Weights & Biases keeps the run."""

    project: str = "gandlf-synth"
    """Project that the run belongs to."""
    entity: str | None = None
    """User or team that owns the project; absent: the account's own."""
    name: str | None = None
    """Name of the run; absent: the model folder's."""
    mode: Literal["offline", "online"] = "offline"
    """``offline``: into ``wandb/`` in the model folder, whatever the environment says; ``online``: to the server."""


class LoggingConfig(Section):
    """Experiment trackers; ``{}`` takes a tracker with its defaults."""

    mlflow: MLflowConfig | None = None
    """Write the run to MLflow; needs the extra ``mlflow``."""
    wandb: WandbConfig | None = None
    """Write the run to Weights & Biases; needs the extra ``wandb``."""

    @model_validator(mode="after")
    def _names_a_tracker(self) -> Self:
        if self.mlflow is None and self.wandb is None:
            raise ValueError("names no tracker; write mlflow: {} or wandb: {}, or leave the section out")
        return self
