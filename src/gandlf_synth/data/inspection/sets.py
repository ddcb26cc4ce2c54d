"""Classes of very different size, and sets that are small."""

from collections import Counter

from gandlf_synth.data.inspection.finding import Finding
from gandlf_synth.data.table.manifest import Manifest

_RATIO = 10
_FEW_PER_CLASS = 20
_FEW_SUBJECTS = 100


def imbalance(train: Manifest) -> list[Finding]:
    """Return what the numbers of the training split say: rare classes, few subjects."""
    found = []
    counts = Counter(sample.label for sample in train.samples if sample.label is not None)
    most = max(counts.values(), default=0)
    for label, name in train.labels.items():
        count = counts[label]
        if count * _RATIO < most or count < _FEW_PER_CLASS:
            what = f"has {count} images, where the largest class has {most}; its synthetic images will look alike"
            found.append(Finding("warning", "rare class", f"{train.path}: class {name}", what))
    subjects = len({sample.subject for sample in train.samples})
    if subjects < _FEW_SUBJECTS:
        what = f"{subjects} subjects to train on: expect copies of them among the synthetic images"
        found.append(Finding("warning", "few subjects", str(train.path), what))
    return found
