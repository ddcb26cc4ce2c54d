"""Keeps subjects out of training, so that ``evaluate`` can compare with images that the model has not seen."""

from pathlib import Path

from gandlf_synth.data.table.csv_rows import write_subset
from gandlf_synth.data.table.manifest import read_manifest
from gandlf_synth.data.table.splits import split

FEWEST_SUBJECTS = 50
"""With fewer, training needs them all."""
SHARE = 0.2
"""Of the subjects, as many as MONAI's and nnU-Net's five folds leave out."""
_SEED = 0


def hold_out(source: Path, train: Path, test: Path, share: float | None) -> bool:
    """Write the rows of ``source`` to ``train`` and ``test``, which share no subject, and say whether it was done.

    Args:
        source: a CSV; may be ``train``.
        train: for training, with absolute paths.
        test: for ``evaluate``.
        share: of the subjects in ``test``; 0: none; None: ``SHARE`` of ``FEWEST_SUBJECTS`` or more.

    Raises:
        DataError: there are too few subjects for ``share``.
    """
    manifest = read_manifest(source)
    if share is None:
        subjects = {sample.subject for sample in manifest.samples}
        share = SHARE if len(subjects) >= FEWEST_SUBJECTS else 0
    if not share:
        return False
    parts = split(manifest, share, 0, _SEED)
    rows = {phase: {sample.row for sample in part.samples} for phase, part in parts.items()}
    write_subset(source, test, rows["train"])
    write_subset(source, train, rows["test"])
    return True
