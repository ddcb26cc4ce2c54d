"""The order in which a training sees its samples: a function of the seed and the epoch, whatever the processes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler

_PIECE = 4096


@dataclass(frozen=True, eq=False)
class EpochOrder:
    """Every sample once per epoch.

    The samples of a store may be shuffled in windows: the shards are shuffled, and then the samples of so many
    neighbouring shards together, so that few shards have to be at hand at a time.

    Args:
        size: the number of samples.
        seed: decides the order, with the epoch.
        shuffle: whether there is one; else they come as they are, a store's shard by shard where it has a window.
        shards: the shard of each sample; None: they are all at hand.
        window: shards that are shuffled together.
    """

    size: int
    seed: int
    shuffle: bool
    shards: NDArray[np.int32] | None = None
    window: int = 0

    @cached_property
    def _present(self) -> NDArray[np.int32] | None:
        """The shards, where not all samples are shuffled together."""
        present = None if self.shards is None else np.unique(self.shards)
        return present if present is not None and len(present) > self.window > 0 else None

    def places(self, epoch: int) -> NDArray[np.int64]:
        """Return the places of all samples in the order of an epoch."""
        windows = self.windows(epoch)
        rng = torch.Generator().manual_seed(self.seed + epoch)
        if self.shards is None or not windows:
            return torch.randperm(self.size, generator=rng).numpy() if self.shuffle else np.arange(self.size)
        turn = np.zeros(int(self.shards.max()) + 1, np.int64)
        for number, shards in enumerate(windows):
            turn[shards] = number
        mixed = (
            torch.randperm(self.size, generator=rng).numpy() if self.shuffle else np.argsort(self.shards, kind="stable")
        )
        ordered: NDArray[np.int64] = mixed[np.argsort(turn[self.shards[mixed]], kind="stable")]
        return ordered

    def windows(self, epoch: int) -> list[list[int]]:
        """Return the shards of each window in the order of an epoch; none where all are shuffled together."""
        present = self._present
        if present is None:
            return []
        if self.shuffle:
            rng = torch.Generator().manual_seed(self.seed + epoch)
            present = present[torch.randperm(len(present), generator=rng).numpy()]
        return [present[start : start + self.window].tolist() for start in range(0, len(present), self.window)]


class ShardSchedule:
    """Says which shards to fetch ahead, when a sample is read.

    Args:
        order: of the samples.
    """

    def __init__(self, order: EpochOrder) -> None:
        self._order = order
        self._turns = lru_cache(2)(self._turns_of)
        self._reached: tuple[int, int] | None = None

    def __reduce__(self) -> tuple[type["ShardSchedule"], tuple[EpochOrder]]:
        """Begin anew in another process."""
        return ShardSchedule, (self._order,)

    def coming(self, epoch: int, sample: int) -> Sequence[int]:
        """Return the shards of this window and of the next one, when ``sample`` is the first of its window."""
        if self._order.shards is None:
            return ()
        windows, turns = self._turns(epoch)
        if not windows:
            if self._reached == (epoch, 0):
                return ()
            self._reached = (epoch, 0)
            return list(dict.fromkeys(self._order.shards[self._order.places(epoch)].tolist()))
        turn = turns[int(self._order.shards[sample])]
        if self._reached == (epoch, turn):
            return ()
        self._reached = (epoch, turn)
        following = windows[turn + 1] if turn + 1 < len(windows) else self._order.windows(epoch + 1)[0]
        return [*windows[turn], *following]

    def _turns_of(self, epoch: int) -> tuple[list[list[int]], dict[int, int]]:
        windows = self._order.windows(epoch)
        return windows, {shard: turn for turn, shards in enumerate(windows) for shard in shards}


class EpochSampler(Sampler[int]):
    """Shares the samples of an epoch out among processes: of each batch of all, every so many go to one of them.

    Yields ``epoch · size + index``, so that worker processes know the epoch too. Where the samples cannot be shared out
    evenly, the first ones of the epoch are seen twice.

    Args:
        order: of all samples.
        num_replicas: the number of processes.
        rank: the number of this one.
    """

    def __init__(self, order: EpochOrder, num_replicas: int = 1, rank: int = 0) -> None:
        self.order, self.num_replicas, self.rank, self.epoch = order, num_replicas, rank, 0
        self._resumed = (0, 0)

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass be that of ``epoch``; Lightning calls it."""
        self.epoch = epoch

    def resume_at(self, epoch: int, samples: int) -> None:
        """Begin ``epoch`` after the first ``samples`` of this rank, which an interrupted run has seen."""
        self._resumed = (epoch, samples)

    @property
    def num_left(self) -> int:
        """The samples that are left to this rank of the interrupted epoch."""
        return len(self) - self._resumed[1]

    def __len__(self) -> int:
        """Return the number of samples of this rank in an epoch."""
        return ceil(self.order.size / self.num_replicas)

    def __iter__(self) -> Iterator[int]:
        """Yield the keys of this rank for the current epoch."""
        places, (epoch, seen) = self.order.places(self.epoch), self._resumed
        total = len(self) * self.num_replicas
        own = np.resize(places, total)[self.rank :: self.num_replicas][seen if epoch == self.epoch else 0 :]
        first = self.epoch * self.order.size
        for start in range(0, len(own), _PIECE):
            yield from (first + own[start : start + _PIECE]).tolist()
