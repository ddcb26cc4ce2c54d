"""Checkpoints that are there whole or not at all."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from gandlf_synth.errors import Problem, ResourceError, option
from gandlf_synth.files import atomic_path


class AtomicCheckpoints(TorchCheckpointIO):  # type: ignore[misc, unused-ignore]
    """Writes a checkpoint beside its place and renames it: a reader, and a run that is killed, never see half of one.

    Unlike Lightning's own it does not build the file in memory first.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write ``checkpoint``.

        Raises:
            ResourceError: the disk is full or the folder cannot be written; the earlier checkpoint is intact.
        """
        target = Path(path)
        with atomic_path(target) as temporary:
            try:
                torch.save(checkpoint, temporary)
            except RuntimeError as error:
                if "inline_container" not in str(error):  # torch's writer, where the disk takes no more
                    raise
                fix = f"free some space and go on with {option('resume')}; the earlier checkpoint is intact"
                raise ResourceError(Problem(str(target), "cannot be written: the disk is full", fix=fix)) from error
