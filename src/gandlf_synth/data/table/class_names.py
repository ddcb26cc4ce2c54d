"""Numbers for classes that a CSV gives by name only."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gandlf_synth.data.table.csv_rows import Row
from gandlf_synth.errors import listing

_SHOWN = 20
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|nan|[+-]?inf", re.IGNORECASE)


def with_numbered_names(rows: Sequence[Row]) -> tuple[list[Row], str]:
    """Return ``rows`` with a number for every class name, and a note where the CSV had none.

    Names stand in ``Label`` without a ``LabelMapping``, or in ``LabelMapping`` without a ``Label``; they are numbered
    in the order of the alphabet. A ``Label`` that holds a number anywhere holds no names.
    """
    labels, mapped = ([row.cells.get(column, "") for row in rows] for column in ("Label", "LabelMapping"))
    if any(labels) and any(mapped):
        return list(rows), ""
    texts = labels if any(labels) else mapped
    names = sorted({text for text in texts if text})
    if not names or (any(labels) and any(_NUMBER.fullmatch(name) for name in names)):
        return list(rows), ""
    numbers = {name: str(number) for number, name in enumerate(names)}
    numbered = [
        replace(row, cells={**row.cells, "Label": numbers.get(text, ""), "LabelMapping": text})
        for row, text in zip(rows, texts, strict=True)
    ]
    shown = listing((f"{number} {name}" for name, number in numbers.items()), _SHOWN)
    return numbered, f"the CSV has names of classes and no numbers: {shown}, in the order of the alphabet"


def renumbered(label_names: Sequence[str], known: Mapping[int, str]) -> dict[str, int]:
    """Return the number of every name: that which ``known`` gives it, and free ones for the others.

    Example:
        >>> renumbered(["glioma", "healthy", "meningioma"], {0: "glioma", 1: "meningioma"})
        {'glioma': 0, 'healthy': 2, 'meningioma': 1}
    """
    numbers = {name: label for label, name in known.items()}
    free = max(known, default=-1) + 1
    unknown = [name for name in label_names if name not in numbers]
    numbers |= {name: free + place for place, name in enumerate(unknown)}
    return {name: numbers[name] for name in label_names}
