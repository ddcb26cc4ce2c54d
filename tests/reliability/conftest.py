"""No process outlives the test that started it."""

from collections.abc import Iterator

import pytest
from tests.reliability.test_processes import started


@pytest.fixture(autouse=True)
def _no_process_outlives_its_test() -> Iterator[None]:
    yield
    while started:
        process = started.pop()
        process.kill()
        process.wait(60)
