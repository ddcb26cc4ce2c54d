"""Work that has no more rights than its files give it, also where the tests run as root."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_NOBODY = 65534


@contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Give up the rights of root in the block, if this process has them."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
