"""Tests that need a GPU: ``make gpu``, or ``pytest -m gpu``; skipped where there is none."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skip(reason="needs a CUDA device")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            if not torch.cuda.is_available():
                item.add_marker(missing)


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Undo what runs with ``deterministic`` switch on for the whole process."""
    yield
    torch.use_deterministic_algorithms(mode=False)
    torch.backends.cudnn.deterministic = False
    torch.backends.cudnn.allow_tf32 = True
