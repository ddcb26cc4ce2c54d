"""Processes agree about once in a period, however long their batches take."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gandlf_synth.training.callbacks.agreement import Agreement


@pytest.fixture(autouse=True)
def _group(tmp_path: Any) -> Iterator[None]:
    """A group of one process, which sends its messages to itself."""
    torch.distributed.init_process_group("gloo", f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def trainer_of(processes: int) -> Any:
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    return SimpleNamespace(world_size=processes, is_global_zero=True, strategy=strategy)


@pytest.mark.parametrize(("seconds_per_batch", "most", "fewest"), [(0.01, 25, 9), (0.25, 60, 40), (5.0, 200, 200)])
def test_messages_come_about_once_a_second(
    seconds_per_batch: float, most: int, fewest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("gandlf_synth.training.callbacks.agreement.time.monotonic", lambda: now[0])
    shared, trainer = Agreement(), trainer_of(2)
    messages = []

    for _ in range(200 if seconds_per_batch > 0.1 else 1000):
        now[0] += seconds_per_batch
        agreed = shared.reach(trainer, now[0], 1.0)
        if agreed is not None:
            messages.append(agreed)

    assert fewest <= len(messages) <= most
    assert all(values[1] == 1.0 for values in messages)


def test_one_process_alone_needs_no_message() -> None:
    assert [Agreement().reach(trainer_of(1), 0.25, 0.0) for _ in range(3)] == [[0.25, 0.0]] * 3
