"""The order of samples: a function of seed and epoch, the same for any number of processes, shard by shard in windows."""

import numpy as np
import pytest
from numpy.typing import NDArray

from gandlf_synth.data.loading.order import EpochOrder, EpochSampler, ShardSchedule

SHARDS = np.array([0, 1, 2, 3, 4, 5] * 8, np.int32)


def batches(order: EpochOrder, epoch: int, processes: int, per_process: int, seen: int = 0) -> list[set[int]]:
    """Return the samples that all processes together see in each step."""
    samplers = [EpochSampler(order, processes, rank) for rank in range(processes)]
    for sampler in samplers:
        sampler.set_epoch(epoch)
        sampler.resume_at(epoch, seen // processes)
    shares = [np.array(list(sampler)) % order.size for sampler in samplers]
    starts = range(0, len(shares[0]), per_process)
    return [{int(key) for share in shares for key in share[start : start + per_process]} for start in starts]


@pytest.mark.parametrize("shards", [None, SHARDS], ids=["all", "windows"])
def test_batches_of_all_processes_together_do_not_depend_on_their_number(shards: NDArray[np.int32] | None) -> None:
    order = EpochOrder(48, 3, True, shards, 2)
    whole = batches(order, 1, 1, 8)

    assert sorted(sample for batch in whole for sample in batch) == list(range(48))
    assert batches(order, 1, 2, 4) == batches(order, 1, 4, 2) == whole
    assert batches(order, 1, 2, 4, seen=24) == whole[3:]
    assert batches(order, 2, 1, 8) != whole


def test_a_window_has_few_shards_and_those_of_the_next_are_named_ahead() -> None:
    order = EpochOrder(48, 3, True, SHARDS, 2)
    windows, schedule, places = order.windows(5), ShardSchedule(order), order.places(5)

    assert [set(SHARDS[places[start : start + 16]].tolist()) for start in (0, 16, 32)] == [
        set(each) for each in windows
    ]
    assert list(schedule.coming(5, places[0])) == [*windows[0], *windows[1]]
    assert list(schedule.coming(5, places[1])) == []
    assert list(schedule.coming(5, places[40])) == [*windows[2], *order.windows(6)[0]]


def test_what_one_process_shuffles_as_a_whole_is_torchs_permutation_and_validation_keeps_its_order() -> None:
    assert EpochOrder(48, 3, True, SHARDS, 6).places(1).tolist() == EpochOrder(48, 3, True).places(1).tolist()
    assert EpochOrder(48, 3, False).places(1).tolist() == list(range(48))
    assert np.diff(SHARDS[EpochOrder(48, 3, False, SHARDS, 2).places(0)]).min() >= 0


def test_samples_that_cannot_be_shared_out_evenly_are_all_seen() -> None:
    order = EpochOrder(7, 0, True)
    assert set().union(*batches(order, 0, 2, 2)) == set(range(7))
    assert [len(EpochSampler(order, 2, rank)) for rank in range(2)] == [4, 4]
