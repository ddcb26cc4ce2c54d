"""The loaders that ours is compared with, given the same transforms and no worker of their own unless said."""

from pathlib import Path
from typing import Any

import torch
import torchio
from monai.data import CacheDataset, PersistentDataset
from monai.transforms import Transform
from torch.utils.data import DataLoader

from benchmarks.loader.tasks import BATCH, Task


def torchio_loader(task: Task, workers: int) -> Any:
    """Return TorchIO's loader, which reads and transforms in every epoch."""
    subjects = [task.subject(path) for path in task.files]
    dataset = torchio.SubjectsDataset(subjects, transform=task.torchio_transform())
    return torchio.SubjectsLoader(dataset, batch_size=BATCH, shuffle=True, num_workers=workers)


class _Prepared(Transform):
    """A path to a plain tensor, so that MONAI pays for nothing but its own keeping."""

    def __init__(self, task: Task) -> None:
        self._task, self._transform = task, task.torchio_transform()

    def __call__(self, path: Path) -> torch.Tensor:
        data: torch.Tensor = self._transform(self._task.subject(Path(path)))["image"].data
        return data.reshape(-1, *self._task.shape)


def persistent_loader(task: Task, folder: Path) -> DataLoader[Any]:
    """Return a loader over MONAI's PersistentDataset, which keeps prepared images in files."""
    dataset = PersistentDataset([str(path) for path in task.files], _Prepared(task), cache_dir=folder)
    return DataLoader(dataset, batch_size=BATCH, shuffle=True)


def cache_loader(task: Task) -> DataLoader[Any]:
    """Return a loader over MONAI's CacheDataset, which keeps prepared images in memory."""
    dataset = CacheDataset([str(path) for path in task.files], _Prepared(task), num_workers=2, progress=False)
    return DataLoader(dataset, batch_size=BATCH, shuffle=True)
