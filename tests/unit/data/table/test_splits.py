"""Splitting by subject, and refusing splits that share something."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.data.table.splits import check_disjoint, check_labels, split
from gandlf_synth.errors import DataError

Row = tuple[str, int | None]


def manifest(rows: Sequence[Row], path: str = "data.csv", name: str = "", **fields: bool) -> Manifest:
    """A manifest of (subject, label) rows; ``name`` is a common class name, else the label's own."""
    samples = [
        Sample(row, subject, (Path(f"/{path}/{subject}/{row}.png"),), label, name or _class_name(label))
        for row, (subject, label) in enumerate(rows, 1)
    ]
    return Manifest(Path(path), tuple(samples), "made", **fields)


def _class_name(label: int | None) -> str | None:
    return None if label is None else f"class{label}"


def patients(*counts: int) -> Manifest:
    """A manifest of patients as labels with so many rows each."""
    samples = [
        Sample(0, f"p{label}", (Path(f"/p{label}/{index}.png"),), label, f"p{label}")
        for label, count in enumerate(counts)
        for index in range(count)
    ]
    numbered = [Sample(n, s.subject, s.channels, s.label, s.label_name) for n, s in enumerate(samples, 1)]
    return Manifest(Path("patients.csv"), tuple(numbered), "made")


def subjects(part: Manifest) -> set[str]:
    return {sample.subject for sample in part.samples}


def message(*arguments: object) -> str:
    with pytest.raises(DataError) as raised:
        split(*arguments)
    return str(raised.value)


def unlabeled(count: int) -> Manifest:
    return manifest([(f"s{index}", None) for index in range(count)])


rows_strategy = st.lists(st.tuples(st.sampled_from([f"s{i}" for i in range(12)]), st.integers(0, 2)), min_size=1)


@given(
    rows_strategy,
    st.booleans(),
    st.sampled_from([0.0, 0.2, 0.34]),
    st.sampled_from([0.1, 0.3]),
    st.integers(),
    st.randoms(),
)
def test_splits_are_disjoint_complete_and_independent_of_row_order(
    rows: list[Row], labelled: bool, test: float, val: float, seed: int, random: Random
) -> None:
    whole = manifest([(subject, label if labelled else None) for subject, label in rows])
    try:
        parts = split(whole, test, val, seed)
    except DataError:
        assume(False)
        return
    assert [name for name in ("train", "val", "test") if name in parts] == list(parts)
    assert set(parts) == {"train", "val"} | ({"test"} if test else set())
    assert all(part.samples for part in parts.values())
    assert Counter(s for part in parts.values() for s in part.samples) == Counter(whole.samples)
    check_disjoint(parts)
    check_labels(parts["train"], parts["val"])
    assert split(whole, test, val, seed) == parts
    shuffled = list(whole.samples)
    random.shuffle(shuffled)
    again = split(whole.subset(shuffled), test, val, seed)
    assert {name: set(part.samples) for name, part in again.items()} == {n: set(p.samples) for n, p in parts.items()}


def test_ratios_are_fractions_of_all_subjects() -> None:
    parts = split(unlabeled(100), 0.2, 0.1, 1)
    assert {name: len(part.samples) for name, part in parts.items()} == {"train": 70, "val": 10, "test": 20}


def test_without_ratios_all_is_training() -> None:
    whole = unlabeled(3)
    assert split(whole, 0, 0, 1) == {"train": whole}


def test_seeds_differ_and_rows_keep_their_order() -> None:
    first, second = (split(unlabeled(50), 0, 0.2, seed)["val"] for seed in (1, 2))
    assert subjects(first) != subjects(second)
    numbers = [sample.row for sample in first.samples]
    assert numbers == sorted(numbers)


def test_a_split_does_not_depend_on_where_files_lie() -> None:
    here = manifest([(f"s{index}", 0) for index in range(20)], "here/a.csv")
    there = manifest([(f"s{index}", 0) for index in range(20)], "there/b.csv")
    assert subjects(split(here, 0, 0.3, 5)["val"]) == subjects(split(there, 0, 0.3, 5)["val"])


def test_labels_are_shared_out_in_proportion() -> None:
    whole = manifest([(f"s{index}", 0 if index < 60 else 1 if index < 90 else 2) for index in range(100)])
    parts = split(whole, 0.2, 0.1, 3)
    assert Counter(sample.label for sample in parts["test"].samples) == {0: 12, 1: 6, 2: 2}
    assert Counter(sample.label for sample in parts["val"].samples) == {0: 6, 1: 3, 2: 1}


def test_a_label_of_one_subject_stays_in_training() -> None:
    whole = manifest([*((f"s{index}", 0) for index in range(10)), ("rare", 1)])
    for seed in range(20):
        assert "rare" in subjects(split(whole, 0.3, 0.3, seed)["train"])


def test_patients_as_labels_are_split_by_row() -> None:
    parts = split(patients(4, 4, 4), 0, 0.25, 7)
    assert Counter(sample.label for sample in parts["val"].samples) == {0: 1, 1: 1, 2: 1}
    check_disjoint(parts)
    check_labels(parts["train"], parts["val"])


def test_patients_as_labels_with_one_row_cannot_be_split() -> None:
    text = message(patients(3, 1, 1), 0, 0.2, 7)
    assert text.startswith(
        "patients.csv: the patient is the label and 2 of 3 patients have one row (p1, p2): it cannot"
    )
    assert "train without val_ratio and test_ratio" in text


@pytest.mark.parametrize("ratio", [-0.1, 1, 1.5, float("nan")])
def test_ratios_out_of_range(ratio: float) -> None:
    assert message(unlabeled(9), 0, ratio, 1) == f"val_ratio: is {ratio}; allowed: 0 ≤ ratio < 1"


def test_a_ratio_too_small_names_one_that_works() -> None:
    text = message(unlabeled(7), 0, 0.05, 1)
    assert text == "val_ratio: 0.05 of 7 subjects in data.csv is less than one; allowed: 0.1429 or more"
    assert len(split(unlabeled(7), 0, 0.1429, 1)["val"].samples) == 1


def test_ratios_too_large_name_ones_that_work() -> None:
    text = message(unlabeled(10), 0.5, 0.5, 1)
    where = "test_ratio 0.5 and val_ratio 0.5"
    allowed = "at most 9 in all, such as test_ratio 0.4 and val_ratio 0.4"
    assert text == f"{where}: 5 + 5 of 10 subjects leave too few for training; allowed: {allowed}"
    assert len(split(unlabeled(10), 0.4, 0.4, 1)["train"].samples) == 2


def test_too_few_subjects() -> None:
    assert (
        message(unlabeled(1), 0.2, 0.2, 1)
        == "data.csv: 1 subjects are too few to split off test and val; allowed: at least 3 subjects"
    )
    labelled = manifest([("a", 0), ("b", 1), ("c", 2)])
    expected = "data.csv: 3 subjects are too few to split off val (each of the 3 labels needs one in training)"
    assert message(labelled, 0, 0.4, 1) == f"{expected}; allowed: at least 4 subjects"


# ---- check_disjoint ----


def disjoint_message(**manifests: Manifest) -> str:
    with pytest.raises(DataError) as raised:
        check_disjoint(manifests)
    return str(raised.value)


def test_a_subject_in_two_csvs() -> None:
    train = manifest([(f"s{index}", 0) for index in range(9)], "train.csv")
    val = manifest([(f"s{index}", 0) for index in range(8, 1, -1)], "val.csv")
    shown = "s2 (rows 3 and 7), s3 (rows 4 and 6), s4 (rows 5 and 5), s5 (rows 6 and 4), s6 (rows 7 and 3)"
    text = disjoint_message(train=train, val=val)
    assert text.startswith(
        f"train.csv and val.csv: 7 subjects are in both train and val: {shown}, … (7 in all); keep each"
    )


def test_file_names_are_no_subjects_between_csvs() -> None:
    train, val = (manifest([("1", 0)], path, names_identify=False) for path in ("train.csv", "val.csv"))
    check_disjoint({"train": train, "val": val})


def test_a_file_in_two_splits_even_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    one, two = (
        Manifest(Path(f"{name}.csv"), (Sample(1, name, (tmp_path / f"{name}.png",)),), "made") for name in ("a", "b")
    )
    text = disjoint_message(train=one, test=two)
    shown = f"{tmp_path}/a.png (rows 1 and 1)"
    assert text == f"a.csv and b.csv: 1 files are in both train and test: {shown}; keep each in one of them"


def test_patients_as_labels_may_be_in_two_splits_but_files_may_not() -> None:
    whole = patients(2, 2)
    parts = {"train": whole.subset(whole.samples[::2]), "val": whole.subset(whole.samples[1::2])}
    check_disjoint(parts)
    assert "patients.csv: 4 files are in both train and val" in disjoint_message(train=whole, val=whole)


# ---- check_labels ----


def labels_message(train: Manifest, other: Manifest) -> str:
    with pytest.raises(DataError) as raised:
        check_labels(train, other)
    return str(raised.value)


def test_labels_that_training_does_not_have() -> None:
    train = manifest([("a", 0), ("b", 1)], "train.csv")
    val = manifest([("c", 0), ("d", 3), ("e", 3)], "val.csv")
    expected = "val.csv row 2, column Label: label 3 (class3, 2 rows) does not occur in train.csv"
    assert labels_message(train, val) == f"{expected}; allowed: 0 (class0), 1 (class1)"


def test_labels_that_mean_something_else() -> None:
    train, val = manifest([("a", 0)], "train.csv", "tumour"), manifest([("b", 0)], "val.csv", "healthy")
    assert labels_message(train, val).startswith(
        "val.csv row 1, column Label: label 0 is 'healthy' here and 'tumour' in"
    )


def test_missing_labels() -> None:
    train, val = manifest([("a", 0)], "train.csv"), manifest([("b", None)], "val.csv")
    assert labels_message(train, val) == "val.csv: has no Label column, which train.csv has"
    check_labels(val, train)
