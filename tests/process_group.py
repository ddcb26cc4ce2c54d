"""Trainings in several processes that start together and run one after another, since each start takes seconds."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from gandlf_synth.models.checkpoint import read_checkpoint
from gandlf_synth.networks.sharding import local
from tests.processes import free_port

Weights = dict[str, Tensor]
SGD = {"optimizers": {"name": "sgd", "lr": 0.01}}
"""Adam's first steps have the size of the rate, whatever the gradient: it turns rounding around 0 into such steps."""


@dataclass(frozen=True)
class Job:
    """A training.

    Args:
        name: of its folder.
        family: the model.
        compute: how it is trained.
        options: further arguments of ``tests.runs.train``.
        resumes: the job that it goes on with.
    """

    name: str
    family: str
    compute: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    resumes: str | None = None


class HeldBytes(Callback):
    """Writes down what a process holds of weights and of what the optimizer remembers of them, at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        states = [value for each in trainer.optimizers for state in each.state.values() for value in state.values()]
        tensors = [*pl_module.parameters(), *(value for value in states if isinstance(value, Tensor))]
        self._path.write_text(str(sum(local(each).nbytes for each in tensors)))


def shares(data: int, tensor: int) -> dict[str, Any]:
    """The settings by which data × tensor processes share a model."""
    sizes = {"data_parallel_size": data, "tensor_parallel_size": tensor}
    return {"strategy": "fsdp", "num_devices": data * tensor, "strategy_config": sizes}


def run_jobs(root: Path, jobs: Sequence[Job], processes: int = 2) -> None:
    """Train in so many processes; the folders of process 0 are ``root/0/<job>``."""
    spawn(_work, (root, jobs, processes, free_port()), nprocs=processes)


def last_of(root: Path, job: str) -> Path:
    return root / "0" / job / "model" / "checkpoints" / "last.ckpt"


def weights_of(root: Path, job: str) -> Weights:
    return read_checkpoint(last_of(root, job))["state_dict"]


def held_bytes(root: Path, rank: int, job: str) -> int:
    return int((root / str(rank) / f"{job}.bytes").read_text())


def distance(one: Weights, other: Weights) -> float:
    """The largest difference of two models, by weight, in shares of the weight; of what is next to 0, as it is."""
    assert one.keys() == other.keys()
    pairs = [(one[name].double(), other[name].double()) for name in one]
    return max(float((first - second).norm() / first.norm().clamp(min=1e-3)) for first, second in pairs)


def _work(rank: int, root: Path, jobs: Sequence[Job], processes: int, port: int) -> None:
    """One of the processes, as torchrun would have started it."""
    from tests.runs import train

    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
    names |= {"GROUP_WORLD_SIZE": 1, "GROUP_RANK": 0, "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
    os.environ.update({name: str(value) for name, value in names.items()})
    os.environ.update(MASTER_ADDR="127.0.0.1", TORCHELASTIC_RUN_ID="test")
    torch.set_num_threads(1)
    for job in jobs:
        own = root / str(rank)
        own.mkdir(parents=True, exist_ok=True)
        resume = None if job.resumes is None else last_of(root, job.resumes)
        train(
            job.family, own / job.name, compute=job.compute, resume_from=resume,
            callbacks=[HeldBytes(own / f"{job.name}.bytes")], **{"section": SGD, "samples": 12, **job.options},
        )  # fmt: skip
