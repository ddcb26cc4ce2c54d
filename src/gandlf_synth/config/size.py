"""A number of bytes as people write it."""

import re

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def bytes_of(size: str) -> int:
    """Return the bytes that ``size`` says, such as ``20GB`` or ``500 MB``; a KB is 1,000 bytes.

    Raises:
        ValueError: it is no size.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?B)?", size.strip().upper())
    if found is None:
        raise ValueError(f"{size!r} is not a size such as 20GB or 500 MB")
    return int(float(found[1]) * _UNITS[found[2] or ""])
