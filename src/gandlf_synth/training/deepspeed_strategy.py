"""Lightning's strategy for DeepSpeed: computing as other strategies do, with checkpoints that every command reads."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.precision import DeepSpeedPrecision
from lightning.pytorch.strategies import DeepSpeedStrategy

from gandlf_synth.errors import CheckpointError, Problem
from gandlf_synth.models.checkpoint import weights_file
from gandlf_synth.models.sharded_checkpoint import new_number, remove_other_shards, shards_folder

_FOLDER = "deepspeed"
"""The key under which a checkpoint names the folder beside it."""
_LEFT_TO_DEEPSPEED = ("state_dict", "optimizer_states")


class ReadableDeepSpeedStrategy(DeepSpeedStrategy):  # type: ignore[misc, unused-ignore]
    """DeepSpeed, with checkpoints as of one process; a folder beside each holds what DeepSpeed itself goes on with.

    Lightning would make the checkpoint itself that folder, which holds weights and optimizer as DeepSpeed has cut them.
    And under ``bf16-mixed`` it would keep images, noise levels and weights in 16 bits, where others only compute so.
    """

    def setup_environment(self) -> None:
        """Let torch choose the operations for 16 bits; weights and images stay in 32."""
        if self.precision_plugin.precision == "bf16-mixed":  # type: ignore[has-type, unused-ignore]
            self.config["torch_autocast"] = {"enabled": True, "dtype": "bfloat16"}
        self.precision_plugin = DeepSpeedPrecision("32-true")
        super().setup_environment()

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any = None) -> None:
        """Write DeepSpeed's folder, then the file that names it; until then the earlier one is intact.

        Raises:
            ResourceError: the disk is full or the folder cannot be written.
        """
        path = Path(self.broadcast(filepath))
        folder = shards_folder(path, new_number())
        super().save_checkpoint(checkpoint, folder)
        self.barrier()
        if self.is_global_zero:
            rest = {key: value for key, value in checkpoint.items() if key not in _LEFT_TO_DEEPSPEED}
            with weights_file(path) as temporary:
                torch.save({**rest, "state_dict": _whole_weights(folder), _FOLDER: folder.name}, temporary)
            remove_other_shards(path, folder.name)
        self.barrier()

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Give DeepSpeed what is in its folder; return the rest.

        Raises:
            CheckpointError: another strategy wrote it, or its folder is not beside it.
        """
        path = Path(self.broadcast(checkpoint_path))
        name = torch.load(path, map_location="cpu", weights_only=True, mmap=True).get(_FOLDER)
        if name is None:
            fix = "go on with the strategy that the run began with"
            raise CheckpointError(Problem(str(path), "was written by another strategy than deepspeed", fix=fix))
        if not (path.parent / name).is_dir():
            what = f"has its optimizer in {name}, which is not beside it"
            raise CheckpointError(Problem(str(path), what, fix="copy that folder too"))
        content: dict[str, Any] = super().load_checkpoint(path.parent / name, weights_only)
        return content


def _whole_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the weights in 32 bits that DeepSpeed's checkpoint holds in parts."""
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    weights = get_fp32_state_dict_from_zero_checkpoint(str(folder), tag="checkpoint")
    return {name.removeprefix("_forward_module."): value.clone() for name, value in weights.items()}
