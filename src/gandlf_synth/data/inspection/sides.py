"""Whether the two sides of data without pairs are mixed alike; what only one has, translation invents or removes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.table.manifest import Manifest

_MOST = 0.1
"""Difference of two shares that is worth a word."""


def differing_sides(manifest: Manifest, scans: Scans) -> list[str]:
    """Return what the rows with sources and those with targets have in other shares: classes, and labels of masks.

    Args:
        manifest: the training rows.
        scans: what each file holds.
    """
    held = manifest.presence
    if (held.sources & held.targets).any():
        return ["rows have source and target side by side, which is not used; pix2pix learns more from such pairs"]
    names = manifest.labels
    sides = [manifest.at(np.flatnonzero(rows)) for rows in (held.sources, held.targets)]
    classes = [_shares(((label,), count) for label, count in side.label_counts.items()) for side in sides]
    labels = [_shares(_mask_labels(side, scans)) for side in sides]
    found = [f"class {names.get(label, label)} is {text}" for label, text in _differences(*classes)]
    found += [f"label {label} is in the masks of {text}" for label, text in _differences(*labels) if label]
    if not found:
        return []
    advice = "give both sides the same mixture, or do not read findings off the result"
    return [f"{'; '.join(found)}: translation makes the sides alike, so it invents or removes what differs; {advice}"]


def rows_without_targets(manifest: Manifest) -> list[str]:
    """Return how many rows a model of pairs leaves out, since they hold nothing to be made; empty without such rows."""
    left = np.flatnonzero(~manifest.presence.targets)
    if not len(left):
        return []
    what = f"row {manifest.samples[int(left[0])].row} has" if len(left) == 1 else f"{len(left)} rows have"
    return [f"{what} no image in Channel_0, and nothing is learned from {'it' if len(left) == 1 else 'them'}"]


def _mask_labels(side: Manifest, scans: Scans) -> Iterator[tuple[Sequence[int], int]]:
    """Yield the labels of masks, and how many rows have such a mask."""
    for rows in side.alike("mask"):
        if (mask := rows[0].mask) is not None:
            yield scans[mask].labels, len(rows)


def _shares(labels_of_rows: Iterable[tuple[Sequence[int], int]]) -> dict[int, float]:
    """Return for each label the share of rows that have it, from labels and numbers of rows; empty without rows."""
    counts: Counter[int] = Counter()
    total = 0
    for labels, rows in labels_of_rows:
        total += rows
        counts.update(dict.fromkeys(labels, rows))
    return {label: count / total for label, count in counts.items()}


def _differences(sources: Mapping[int, float], targets: Mapping[int, float]) -> list[tuple[int, str]]:
    """Return the labels whose shares differ, with both; nothing where a side says nothing."""
    if not sources or not targets:
        return []
    shares = {label: (sources.get(label, 0.0), targets.get(label, 0.0)) for label in sorted({*sources, *targets})}
    return [
        (label, f"{one:.0%} of the sources and {other:.0%} of the targets")
        for label, (one, other) in shares.items()
        if abs(one - other) > _MOST
    ]
