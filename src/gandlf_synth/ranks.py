"""The processes of one run as a group: what stops one stops all, and what the first decides holds for all.

Processes that Lightning starts by itself, one per GPU, are not asked: the one that started them had decided before.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

from gandlf_synth.errors import GandlfSynthError, Problem, ResourceError
from gandlf_synth.launcher import check_launch, is_lightnings_own, process_count

T = TypeVar("T")

_PATIENCE = timedelta(days=2)
"""How long processes wait for one that prepares data; one that ends is noticed at once."""


@dataclass(frozen=True)
class Ranks:
    """The processes that a launcher started for one run, as one of them sees them.

    Args:
        rank: the number of this process.
        count: how many there are.
        local_rank: the number of this process on its machine.
        group: torch's connection between them; None for one process.

    Example:
        >>> Ranks().broadcast("alone")
        'alone'
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    group: Any = None

    @property
    def is_first(self) -> bool:
        """Whether this process decides, speaks, and writes what is there once."""
        return self.rank == 0

    @property
    def device(self) -> str:
        """The device of this process, where each has one."""
        import torch

        count = torch.cuda.device_count()
        return f"cuda:{self.local_rank % count}" if count else "cpu"

    def shard(self, parts: Sequence[T]) -> list[T]:
        """Return this process's share of ``parts``, every so many."""
        return list(parts[self.rank :: self.count])

    def broadcast(self, value: T) -> T:
        """Return the first process's ``value`` in all processes."""
        if self.count == 1:
            return value
        from torch import distributed

        values = [value]
        with noticing_who_left():
            distributed.broadcast_object_list(values, src=0, group=self.group)
        return values[0]

    def gather(self, value: T) -> list[T]:
        """Return the ``value`` of every process in all processes."""
        if self.count == 1:
            return [value]
        from torch import distributed

        values: list[Any] = [None] * self.count
        with noticing_who_left():
            distributed.all_gather_object(values, value, group=self.group)
        return values

    def barrier(self) -> None:
        """Wait until all processes are here."""
        self.gather(None)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Run the block in every process; an error of one becomes the error of all, and the first one says it.

        Raises:
            GandlfSynthError: what stopped the first process, or one that the first knows nothing of.
        """
        failure: GandlfSynthError | None = None
        try:
            yield
        except GandlfSynthError as error:
            if self.count == 1:
                raise
            failure = error
        if self.count == 1:
            return
        failures = self.gather(failure and (type(failure), tuple(failure.problems), failure.exit_code))
        for rank, shared in enumerate(failures):
            if shared:
                raise self._rebuilt(rank, *shared) from failure

    def check_same(self, what: str, value: T) -> None:
        """Refuse to go on where processes see different things, such as the files of different machines.

        Raises:
            ResourceError: a process has another ``value`` than the first one.
        """
        values = self.gather((value, os.uname().nodename))
        for rank, (other, machine) in enumerate(values):
            if other != values[0][0]:
                where = f"process {rank} of {self.count} on {machine}"
                fix = "let all machines read the same files"
                raise self._rebuilt(
                    0, ResourceError, (Problem(where, f"sees another {what} than process 0", fix=fix),), 7
                )

    def _rebuilt(
        self, rank: int, kind: type[GandlfSynthError], problems: tuple[Problem, ...], exit_code: int
    ) -> GandlfSynthError:
        """Return the error of process ``rank``, of which the first process says where it was."""
        if rank:
            problems = tuple(replace(each, where=f"process {rank} of {self.count}: {each.where}") for each in problems)
        error = kind.__new__(kind)
        GandlfSynthError.__init__(error, *problems)
        error.exit_code = exit_code
        error.is_of_all = True
        return error


def meet() -> Ranks:
    """Return the group of this run's processes, having met the others when a launcher started several.

    Raises:
        ConfigError: the launcher's variables contradict one another.
        ResourceError: the others do not come.
    """
    check_launch()
    count = process_count()
    return Ranks() if count == 1 or is_lightnings_own() else _join(count)


@cache
def _join(count: int) -> Ranks:
    import torch
    from lightning.fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
    from torch import distributed

    environment = TorchElasticEnvironment() if TorchElasticEnvironment.detect() else SLURMEnvironment()
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = environment.main_address, str(environment.main_port)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    rank = environment.global_rank()
    try:
        distributed.init_process_group(backend, rank=rank, world_size=count)
        group = distributed.new_group(backend="gloo", timeout=_PATIENCE)
    except RuntimeError as error:
        where = f"process {rank} of {count}"
        place = f"{environment.main_address}:{environment.main_port}"
        fix = "see whether all of them were started, and whether the machines can reach each other"
        raise ResourceError(
            Problem(where, f"cannot reach the other processes at {place}: {_first_line(error)}", fix=fix)
        ) from error
    return Ranks(rank, count, environment.local_rank(), group)


def data_share(trainer: Any) -> tuple[int, int]:
    """Return which of how many shares of the data this process of Lightning's ``trainer`` works on.

    Processes that split the layers of a network among them work on the same share.
    """
    sizes = None if trainer is None else trainer.distributed_sampler_kwargs
    return (sizes["rank"], sizes["num_replicas"]) if sizes else (0, 1)


@contextmanager
def noticing_who_left() -> Iterator[None]:
    """Turn what torch says when another process of the group has ended into a sentence.

    Raises:
        ResourceError: another process has ended.
    """
    try:
        yield
    except RuntimeError as error:
        if not any(words in str(error) for words in ("closed by peer", "reset by peer", "Broken pipe", "Timed out")):
            raise
        fix = "its own message says why"
        raise ResourceError(Problem("another process of this run", "has ended", fix=fix)) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
