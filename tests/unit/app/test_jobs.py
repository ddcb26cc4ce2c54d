"""One queue for all browsers: in order, with an end, and what is canceled stays canceled."""

from pathlib import Path

import pytest

from gandlf_synth.app.jobs import JobQueue
from gandlf_synth.app.order import Order
from gandlf_synth.app.reply import RefusedError

ORDER = Order()


def test_jobs_are_carried_out_in_the_order_in_which_they_came_each_in_its_own_folder(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path)
    first, second = queue.add(ORDER, {}), queue.add(ORDER, {})

    assert queue.take() is first
    assert [job["ahead"] for job in queue.all()] == [1, 0]
    queue.update(first, "done")
    assert queue.take() is second
    assert first.folder != second.folder


def test_a_canceled_job_stays_so_whatever_the_worker_still_says(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path)
    running, waiting = queue.add(ORDER, {}), queue.add(ORDER, {})
    queue.take()

    assert queue.cancel(running)
    assert not queue.cancel(waiting)
    queue.update(running, "done", result={"images": []})

    assert [job["state"] for job in queue.all()] == ["canceled", "canceled"]


def test_a_job_whose_worker_ended_because_of_another_one_waits_again(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path)
    job = queue.add(ORDER, {})
    queue.take()
    queue.put_back(job)

    assert queue.take() is job


def test_a_queue_that_is_full_takes_no_more(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path)
    for _ in range(20):
        queue.add(ORDER, {})

    with pytest.raises(RefusedError, match="20 orders wait already; try later"):
        queue.add(ORDER, {})


def test_when_the_app_ends_nobody_waits_on(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path)
    job = queue.add(ORDER, {})
    queue.take()
    queue.close()

    assert queue.take() is None
    queue.wait_for(job)
