"""Which checkpoints a run keeps, and how they are written: whole or not at all."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from gandlf_synth.config import Config
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.checkpoint import HEADER_KEY, describe_module, weights_file
from gandlf_synth.models.sharded_checkpoint import SHARDS_KEY, remove_other_shards, with_shards
from gandlf_synth.training.callbacks import SampleMetrics

_PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")


class AtomicCheckpoints(TorchCheckpointIO):  # type: ignore[misc, unused-ignore]
    """Writes a checkpoint beside its place and renames it: a reader, and a run that is killed, never see half of one.

    Unlike Lightning's own it does not build the file in memory first.
    """

    def save_checkpoint(self, checkpoint: dict[str, object], path: str | Path, storage_options: object = None) -> None:
        """Write ``checkpoint``.

        Raises:
            ResourceError: the disk is full or the folder cannot be written; the earlier checkpoint is intact.
        """
        with weights_file(Path(path)) as temporary:
            torch.save(checkpoint, temporary)
        remove_other_shards(Path(path))

    def load_checkpoint(self, path: str | Path, *args: Any, **options: Any) -> dict[str, Any]:
        """Return a checkpoint, whether one process or several wrote it."""
        content: dict[str, Any] = super().load_checkpoint(path, *args, **options)
        whole: dict[str, Any] = with_shards(content, Path(path), content.get(SHARDS_KEY))
        return whole


class Description(Callback):
    """Puts configuration and data facts into every checkpoint, so that it stands alone."""

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, object]) -> None:
        """Add the description."""
        checkpoint[HEADER_KEY] = describe_module(pl_module)


class _NamedCheckpoint(ModelCheckpoint):  # type: ignore[misc, unused-ignore]
    """A checkpoint rule that keeps its own state, however like another's its settings are."""

    @property
    def state_key(self) -> str:
        return f"{type(self).__name__}:{self.filename}"

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the scores of files that lie in this folder, wherever it lay when they were written."""
        kept = {name: self._here(path) for name, path in state_dict.items() if name in _PATHS}
        models = {self._here(path): score for path, score in state_dict["best_k_models"].items() if self._here(path)}
        if state_dict["best_model_path"] and not kept["best_model_path"]:
            return
        super().load_state_dict({**state_dict, **kept, "best_k_models": models, "dirpath": self.dirpath})

    def _here(self, path: str) -> str:
        """Return the path of the file of that name in this folder, or nothing when there is none."""
        here = Path(self.dirpath, Path(path).name)
        return str(here) if path and here.is_file() else ""


class _BestCheckpoint(_NamedCheckpoint):
    """Keeps the checkpoint with the lowest ``val_loss``, once the model says that its values can be compared."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if pl_module.val_loss_comparable:
            super().on_validation_end(trainer, pl_module)


class _BestSamples(_NamedCheckpoint):
    """Keeps the checkpoint whose samples are nearest to the validation images."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if SampleMetrics.measured(trainer):
            super().on_train_epoch_end(trainer, pl_module)


def checkpoint_rules(config: Config, folder: ModelFolder, *, validated: bool) -> list[Callback]:
    """Return what keeps the last checkpoint, the best one, and one every so many epochs.

    Args:
        config: the resolved configuration.
        folder: where they go.
        validated: whether there is a validation split.
    """
    options: dict[str, object] = {
        "dirpath": folder.checkpoints,
        "auto_insert_metric_name": False,
        "enable_version_counter": False,
    }
    last = _NamedCheckpoint(filename="last", save_on_train_epoch_end=True, **options)
    callbacks: list[Callback] = [last]
    measured = config.sample_metrics_config
    if measured is not None and measured.choose_best:
        callbacks.append(
            _BestSamples(filename="best", save_on_train_epoch_end=True, monitor="sample_kid", mode="min", **options)
        )
    elif validated:
        callbacks.append(
            _BestCheckpoint(filename="best", save_on_train_epoch_end=False, monitor="val_loss", mode="min", **options)
        )
    if config.save_model_every_n_epochs > 0:
        every = config.save_model_every_n_epochs
        callbacks.append(_NamedCheckpoint(filename="epoch_{epoch:04d}", every_n_epochs=every, save_top_k=-1, **options))
    return callbacks
