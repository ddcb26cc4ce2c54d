"""The folders that runs write: which file is where, and whether a training may write there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gandlf_synth.errors import CheckpointError, ConfigError, Problem, ResourceError, option
from gandlf_synth.files import only_writer, remove_unfinished

Mode = Literal["new", "resume", "reset"]
FolderState = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ModelFolder:
    """Every place in a model folder."""

    root: Path

    @property
    def checkpoints(self) -> Path:
        """``last.ckpt``, ``best.ckpt`` and the kept epochs."""
        return self.root / "checkpoints"

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.checkpoints / "last.ckpt"

    @property
    def best(self) -> Path:
        """The checkpoint with the best monitored value."""
        return self.checkpoints / "best.ckpt"

    @property
    def chosen(self) -> Path:
        """The weights that ``choose-average`` found best, of all that checkpoints hold."""
        return self.checkpoints / "chosen.ckpt"

    @property
    def averages(self) -> Path:
        """What ``choose-average`` measured, as JSON."""
        return self.root / "averages.json"

    @property
    def exported(self) -> Path:
        """The weights in a folder that was made for others."""
        return self.root / "model.safetensors"

    @property
    def exported_config(self) -> Path:
        """What such a folder says of the model and of how images are made."""
        return self.root / "config.json"

    @property
    def first_stage(self) -> "ModelFolder":
        """The model folder of the first stage, where a model has one."""
        return ModelFolder(self.root / "first_stage")

    @property
    def adapter(self) -> Path:
        """What a training by ``lora`` learned, without the weights of its parent."""
        return self.root / "adapter.safetensors"

    @property
    def sampling(self) -> Path:
        """The sampler and steps that a sweep found best, as JSON."""
        return self.root / "sampling.json"

    @property
    def logs(self) -> Path:
        """CSV and TensorBoard logs."""
        return self.root / "training_logs"

    @property
    def eval_images(self) -> Path:
        """Sample grids made during training."""
        return self.root / "eval_images"

    @property
    def config(self) -> Path:
        """The configuration as the user wrote it."""
        return self.root / "config.yaml"

    @property
    def resolved_config(self) -> Path:
        """The configuration with every automatic choice and its reason."""
        return self.root / "resolved_config.yaml"

    @property
    def spec(self) -> Path:
        """The facts of the data, as JSON."""
        return self.root / "data_spec.json"

    @property
    def data_record(self) -> Path:
        """Which images the run is trained on, by their content, as CSV."""
        return self.root / "data_record.csv"

    @property
    def record(self) -> Path:
        """The run record."""
        return self.root / "run.json"

    @property
    def log_file(self) -> Path:
        """What the run said."""
        return self.root / "training_manager.log"

    @property
    def tracked_runs(self) -> Path:
        """The names that experiment trackers gave the run, as JSON."""
        return self.root / "tracked_runs.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder for the length of the block; a crash gives the lock back.

        Raises:
            ResourceError: another run is using the folder.
        """
        with only_writer(self.root, "model folder"):
            yield

    def state(self) -> FolderState:
        """Return what tells this state of the folder from a later one, after another run has written there."""
        files = (self.record, self.resolved_config, self.last, self.first_stage.last)
        return tuple((file.stat().st_ino, file.stat().st_mtime_ns) for file in files if file.is_file())

    def holds_a_run(self) -> bool:
        """Say whether a training wrote here before."""
        return self.checkpoints.is_dir() or self.record.exists() or self.resolved_config.exists()

    def mode_after(self, moment: float, mode: Mode) -> Mode:
        """Return how a run goes on that began here after ``moment``, and was ended; ``mode`` where none did.

        Args:
            moment: in seconds since 1970.
            mode: what was asked for then.
        """
        written = [file.stat().st_mtime for file in (self.last, self.first_stage.last) if file.is_file()]
        if written:
            return "resume" if max(written) >= moment else mode
        begun = [file.stat().st_mtime for file in (self.record, self.resolved_config) if file.is_file()]
        return "reset" if begun and min(begun) >= moment else mode

    def check(self, mode: Mode, checkpoint: Path | None = None) -> None:
        """Refuse to write over a run, or to resume what is not there; changes nothing.

        Raises:
            ConfigError: the folder holds a run, and neither resume nor reset was asked for; or it is a file.
            CheckpointError: resume was asked for and there is no checkpoint.
        """
        where = f"model folder {self.root}"
        if self.root.exists() and not self.root.is_dir():
            raise ConfigError(Problem(where, "is a file", fix="name a folder"))
        if mode == "new" and self.holds_a_run():
            resume, reset = option("resume"), option("reset")
            fix = f"use another folder, {resume} to go on with the run, or {reset} to delete it"
            raise ConfigError(Problem(where, "already holds a run", fix=fix))
        if mode == "resume" and checkpoint is not None:
            self.choose_checkpoint(checkpoint)
        elif mode == "resume" and not (self.last.is_file() or self.first_stage.last.is_file()):
            fix = f"train without {option('resume')}"
            raise CheckpointError(Problem(where, "holds no checkpoints/last.ckpt to resume from", fix=fix))

    def check_unchanged(self, mode: Mode, checkpoint: Path | None, seen: FolderState) -> None:
        """Check again, under the lock: another run may have written here since ``state`` was ``seen``.

        Raises:
            ConfigError, CheckpointError: see ``check``.
            ResourceError: a run that was to be continued or deleted is not what it was.
        """
        self.check(mode, checkpoint)
        if self.state() != seen:
            what = "was written by another run after this one had looked at it"
            fix = "see what is there now, and begin again"
            raise ResourceError(Problem(f"model folder {self.root}", what, fix=fix))

    def remove_unfinished(self) -> None:
        """Remove what killed runs left half written; only under the lock."""
        if self.first_stage.root.is_dir():
            self.first_stage.remove_unfinished()
        for folder in (self.root, self.checkpoints, self.eval_images):
            remove_unfinished(folder)

    def forget_choice(self) -> None:
        """Use the usual average again: a training that goes on makes other weights than those that were compared."""
        for file in (self.chosen, self.averages):
            file.unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete what a training wrote, and nothing else that may lie in the folder; trackers keep their history."""
        if self.first_stage.root.is_dir():
            self.first_stage.clear()
        for folder in (self.checkpoints, self.logs, self.eval_images):
            shutil.rmtree(folder, ignore_errors=True)
        files = (
            self.config,
            self.resolved_config,
            self.spec,
            self.data_record,
            self.record,
            self.log_file,
            self.sampling,
            self.averages,
            self.adapter,
        )
        for file in (*files, self.tracked_runs):
            file.unlink(missing_ok=True)

    def choose_checkpoint(self, custom: Path | None) -> Path:
        """Return the checkpoint to infer with: the given one, else what was chosen, the best, the last, or exported.

        Raises:
            CheckpointError: there is none.
        """
        if custom is not None:
            if custom.is_file():
                return custom
            raise CheckpointError(Problem(str(custom), "is not a checkpoint file: it does not exist"))
        for path in (self.chosen, self.best, self.last, self.exported):
            if path.is_file():
                return path
        model_dir, checkpoint = option("model_dir"), option("checkpoint")
        fix = f"train first, name another model folder with {model_dir}, or a checkpoint with {checkpoint}"
        raise CheckpointError(Problem(f"model folder {self.root}", "holds no checkpoint", fix=fix))


@dataclass(frozen=True)
class InferenceFolder:
    """Every place in a folder of generated images."""

    root: Path

    @property
    def images_csv(self) -> Path:
        """The images as a CSV that training and evaluation read."""
        return self.root / "inference_logs" / "images.csv"

    @property
    def request(self) -> Path:
        """What was asked for, as JSON, so that an interrupted call can be finished."""
        return self.root / "inference_logs" / "request.json"

    @property
    def log_file(self) -> Path:
        """What the run said."""
        return self.root / "inference_manager.log"

    @property
    def croissant(self) -> Path:
        """What the images are, for catalogues of datasets, as Croissant."""
        return self.root / "croissant.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other calls out of the folder for the length of the block.

        Raises:
            ResourceError: another call is using the folder.
        """
        with only_writer(self.root, "output folder"):
            yield

    def remove_unfinished(self) -> None:
        """Remove what killed calls left half written; only under the lock."""
        for folder in (self.root, self.request.parent):
            remove_unfinished(folder)

    @property
    def contact_sheet(self) -> Path:
        """A picture of the first images."""
        return self.root / "contact_sheet.png"
