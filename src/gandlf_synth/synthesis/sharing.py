"""Sharing the work of one request among the processes that torchrun or SLURM started."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gandlf_synth.launcher import node_count, process_count, processes_here

T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """This process's part of the work.

    Args:
        rank: the number of this process.
        world_size: how many there are.
        fabric: Lightning's connection between them; None for one process.
    """

    rank: int = 0
    world_size: int = 1
    fabric: Any = None

    @property
    def is_first(self) -> bool:
        """Whether this process makes folders and writes what is there once."""
        return self.rank == 0

    @property
    def device(self) -> str:
        """The device of this process."""
        import torch

        if self.fabric is not None:
            return str(self.fabric.device)
        return "cuda" if torch.cuda.is_available() else "cpu"

    def shard(self, batches: Sequence[T]) -> list[T]:
        """Return this process's batches: whole ones, so that the bytes do not depend on the number of processes."""
        return list(batches[self.rank :: self.world_size])

    def broadcast(self, folder: Path | None) -> Path:
        """Return the first process's ``folder`` in all processes."""
        text = str(folder) if self.fabric is None else self.fabric.broadcast(str(folder))
        return Path(text)

    def barrier(self) -> None:
        """Wait until all processes are here."""
        if self.fabric is not None:
            self.fabric.barrier()


def join() -> Share:
    """Return this process's share, having met the others when a launcher started several."""
    if process_count() == 1:
        return Share()
    import torch
    from lightning.fabric import Fabric

    fabric = Fabric(
        accelerator="cuda" if torch.cuda.is_available() else "cpu",
        devices=processes_here(),
        num_nodes=node_count(),
        strategy="ddp",
    )
    fabric.launch()
    return Share(fabric.global_rank, fabric.world_size, fabric)
