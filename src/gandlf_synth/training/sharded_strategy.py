"""Lightning's strategy for models whose weights processes share, with checkpoints that any number of them reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.strategies import ModelParallelStrategy, Strategy
from torch import Tensor
from torch.optim import Optimizer

from gandlf_synth.models.checkpoint import weights_file
from gandlf_synth.models.sharded_checkpoint import (
    SHARDS_KEY,
    new_number,
    remove_other_shards,
    shards_folder,
    with_shards,
    write_shards,
)
from gandlf_synth.models.stored_averages import AVERAGES_KEY
from gandlf_synth.networks.sharding import reshard

_OPTIMIZERS = "optimizer_states"


class ShardedStrategy(ModelParallelStrategy):  # type: ignore[misc, unused-ignore]
    """Data and tensor parallel training; a checkpoint is that of one process, its large tensors in a folder beside it.

    Lightning would name every state of an optimizer after its weight, which only the same kind of strategy reads.

    Args:
        data_parallel_size: processes that see other images, and share all weights.
        tensor_parallel_size: processes that see the same images, and split layers among them.
    """

    def __init__(self, data_parallel_size: int, tensor_parallel_size: int) -> None:
        super().__init__(data_parallel_size, tensor_parallel_size)
        self._loaded_from: tuple[Path, str | None] = (Path(), None)

    @property
    def restore_checkpoint_after_setup(self) -> bool:
        """Weights are there before anybody works with them, as in one process."""
        return False

    @property
    def lightning_restore_optimizer(self) -> bool:
        """The state of optimizers is loaded like in one process."""
        return True

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Return the weights, of which this process has its parts."""
        reshard(self.lightning_module)
        return self.lightning_module.state_dict()  # type: ignore[no-any-return, unused-ignore]

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Tensor]:
        """Return the state of ``optimizer``, of which this process has its parts."""
        state: dict[str, Tensor] = Strategy.optimizer_state(self, optimizer)
        return state

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any = None) -> None:
        """Write the parts of all processes, then the file that names them; until then the earlier one is intact.

        Raises:
            ResourceError: the disk is full or the folder cannot be written.
        """
        path = Path(self.broadcast(filepath))
        folder = shards_folder(path, new_number())
        rest = write_shards(checkpoint, folder)
        if self.is_global_zero:
            with weights_file(path) as temporary:
                torch.save(rest, temporary)
            remove_other_shards(path, folder.name)
        self.barrier()

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Return a checkpoint with the parts of its weights that belong to this process.

        Those of the optimizers follow when there are optimizers.
        """
        path = Path(self.broadcast(checkpoint_path))
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        self._loaded_from = (path, content.get(SHARDS_KEY))
        optimizers = content.pop(_OPTIMIZERS, [])
        weights, parts = self.lightning_module.state_dict(), ["state_dict", "current_model_state"]
        parts += [f"{AVERAGES_KEY}/{width}" for width in content.get(AVERAGES_KEY, {})]
        like = {f"{part}/{name}": value for part in parts for name, value in weights.items()}
        ours: dict[str, Any] = with_shards(content, *self._loaded_from, like)
        return {**ours, _OPTIMIZERS: optimizers}

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Give the model its parts of the weights."""
        self.lightning_module.load_state_dict(checkpoint["state_dict"], strict=strict)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Give each optimizer its parts of what it remembers of the weights."""
        states = checkpoint[_OPTIMIZERS]
        like: dict[str, Tensor] = {}
        for number, optimizer in enumerate(self.optimizers):
            weights = [each for group in optimizer.param_groups for each in group["params"]]
            for place, state in states[number]["state"].items():
                like |= {f"{_OPTIMIZERS}/{number}/state/{place}/{name}": weights[place] for name in state}
        Strategy.load_optimizer_state_dict(self, with_shards({_OPTIMIZERS: states}, *self._loaded_from, like))
