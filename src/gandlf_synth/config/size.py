"""A number of bytes as people write it."""

import re

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def bytes_of(size: str) -> int:
    """Return the bytes that ``size`` says; GB and G are 10⁹ bytes, GiB is 2³⁰ (IEC 80000-13).

    Raises:
        ValueError: it is no size.

    Example:
        >>> bytes_of("20GB"), bytes_of("1.5 GiB"), bytes_of("500M")
        (20000000000, 1610612736, 500000000)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(I?))?B?", size.strip().upper())
    if match is None:
        raise ValueError(f"{size!r} is not a size such as 20GB or 500 MB")
    number, prefix, binary = match.groups()
    units = _BINARY_UNITS if binary else _UNITS
    return int(float(number) * units[prefix or ""])
