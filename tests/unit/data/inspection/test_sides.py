"""Sides of unpaired data whose mixtures differ are told of, with both shares."""

from pathlib import Path

from gandlf_synth.data.formats.scan import FileScan
from gandlf_synth.data.inspection.sides import differing_sides, rows_without_targets
from gandlf_synth.data.table.manifest import Manifest, Sample

TUMOUR = 1


def rows_of(
    sources: list[int], targets: list[int], *, masks: dict[str, list[tuple[int, ...]]] | None = None
) -> list[str]:
    """Return the notes on rows with these classes, and with masks that have these labels."""
    samples: list[Sample] = []
    scans: dict[Path, FileScan] = {}
    for side, labels in (("source", sources), ("target", targets)):
        for number, label in enumerate(labels):
            image, mask = Path(f"{side}_{number}.nii"), None
            if masks:
                mask = Path(f"{side}_{number}_mask.nii")
                scans[mask] = FileScan(labels=masks[side][number])
            given = {"sources": (image,)} if side == "source" else {"channels": (image,)}
            samples.append(Sample(len(samples) + 1, image.stem, **{"channels": (), **given}, label=label, mask=mask))
    return differing_sides(Manifest(Path("data.csv"), tuple(samples), "each row"), scans)


def test_classes_in_other_shares_are_named() -> None:
    (note,) = rows_of([0] * 9 + [TUMOUR], [0] * 5 + [TUMOUR] * 5)

    assert "class 1 is 10% of the sources and 50% of the targets" in note
    assert "invents or removes" in note


def test_equal_mixtures_are_no_matter() -> None:
    assert rows_of([0, 0, TUMOUR, TUMOUR], [0, TUMOUR]) == []


def test_labels_that_only_one_side_has_in_its_masks_are_named() -> None:
    (note,) = rows_of([0, 0], [0, 0], masks={"source": [(0,), (0,)], "target": [(0, 4), (0,)]})

    assert "label 4 is in the masks of 0% of the sources and 50% of the targets" in note


def test_rows_that_are_pairs_are_said_to_be() -> None:
    pair = Sample(1, "one", (Path("t.nii"),), sources=(Path("s.nii"),))

    (note,) = differing_sides(Manifest(Path("data.csv"), (pair,), "each row"), {})

    assert "pix2pix learns more from such pairs" in note


def test_rows_that_hold_nothing_to_be_made_are_counted() -> None:
    pair = Sample(1, "a", (Path("a.nii"),), sources=(Path("s.nii"),))
    alone = Sample(2, "b", (), sources=(Path("t.nii"),))

    def notes_of(*samples: Sample) -> list[str]:
        return rows_without_targets(Manifest(Path("data.csv"), samples, "each row"))

    assert notes_of(pair) == []
    assert notes_of(pair, alone) == ["row 2 has no image in Channel_0, and nothing is learned from it"]
    assert notes_of(alone, alone, pair) == ["2 rows have no image in Channel_0, and nothing is learned from them"]
