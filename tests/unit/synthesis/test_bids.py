"""Synthetic images take their places in a BIDS derivative dataset, or it is said why they cannot."""

from pathlib import Path

import pytest
from tests.factories import spec_of, write_table

from gandlf_synth.data.formats.writers import Writer
from gandlf_synth.data.formats.writers.nifti import NiftiWriter
from gandlf_synth.data.formats.writers.png import PngWriter
from gandlf_synth.data.loading.conditioners import ConditionPart
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.errors import ConfigError
from gandlf_synth.model_folder import InferenceFolder
from gandlf_synth.synthesis.bids import BidsLayout, check_place, choose_suffixes, subject_labels
from gandlf_synth.synthesis.layout import Described
from gandlf_synth.synthesis.row_task import RowTask


def columns(*names: str) -> DataSpec:
    return spec_of(channels=len(names), column_names=names)


def test_columns_that_are_called_as_sequences_tell_their_suffix() -> None:
    assert choose_suffixes(columns("t1", "T1ce", "FLAIR"), NiftiWriter(), ()) == ("T1w", "ce-gadolinium_T1w", "FLAIR")
    assert choose_suffixes(columns("image"), NiftiWriter(), ("T2w",)) == ("T2w",)


@pytest.mark.parametrize(
    ("spec", "writer", "given", "message"),
    [
        (columns("image"), NiftiWriter(), (), "layout bids: needs the kind of image, which 'image' does not tell; say"),
        (columns("t1"), NiftiWriter(), ("T1",), "bids_suffix: 'T1' is no suffix of BIDS for such images; allowed: T1w"),
        (columns("t1"), NiftiWriter(), ("T1",), "did you mean 'T1w'?"),
        (columns("t1", "t2"), NiftiWriter(), ("T1w",), "once for each image of a subject, in this order: t1, t2"),
        (columns("a", "b"), NiftiWriter(), ("T1w", "T1w"), "would give the images of a subject the same name"),
        (columns("t1"), PngWriter(), (), "layout bids: holds NIfTI files, not .png; allowed: nifti as the format"),
        (spec_of(channels=3, column_channels=(3,), column_names=("t1",)), NiftiWriter(), (), "not of colours"),
    ],
)
def test_images_that_do_not_fit_are_told(spec: DataSpec, writer: Writer, given: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        choose_suffixes(spec, writer, given)

    assert message in str(raised.value)


def test_another_dataset_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "raw" / "sub-01").mkdir(parents=True)
    (tmp_path / "raw" / "dataset_description.json").write_text("{}")

    check_place(tmp_path / "elsewhere")
    check_place(tmp_path / "raw" / "derivatives" / "synthetic")
    with pytest.raises(ConfigError, match="lies in another BIDS dataset") as raised:
        check_place(tmp_path / "raw" / "sub-01")

    assert f"name {tmp_path / 'raw' / 'derivatives'}" in str(raised.value)


def test_rows_keep_their_subjects_apart() -> None:
    samples = [Sample(1, "patient_1", ()), Sample(2, "patient-1", ()), Sample(3, "张三", ()), Sample(4, "sub-9", ())]
    samples += [Sample(5, "sub-9", ())]
    layout = BidsLayout(Path("out"), ("t1", "t1ce"), samples, ("T1w", "ce-gadolinium_T1w"))

    places = [layout.of_row(sample, "synthetic") for sample in samples]

    folders = [place.folder.parent.name for place in places]
    assert len(set(folders)) == 4
    assert all(folder.startswith("sub-") and folder[4:].isalnum() and folder.isascii() for folder in folders)
    assert folders[0].startswith("sub-patient1x")
    assert places[3].names == ["sub-9_run-4_desc-synthetic_T1w", "sub-9_ce-gadolinium_run-4_desc-synthetic_T1w"]
    assert layout.of_row(samples[2], "synthetic_1").names[0].endswith("_desc-synthetic2_T1w")
    assert layout.of_row(samples[2], "mean").names[0].endswith("_desc-syntheticMean_T1w")


def test_labels_stay_apart_where_letters_have_no_case() -> None:
    assert len({label.lower() for label in subject_labels(["A1", "a1", "b"]).values()}) == 3


def test_participants_have_only_what_the_model_was_asked_for(tmp_path: Path) -> None:
    samples = [Sample(row, f"s{row}", (), extra={"age": age, "scanner": "A"}) for row, age in ((1, "50"), (2, "70"))]
    samples.append(Sample(3, "s2", (), extra={"age": "71", "scanner": "A"}))
    part = ConditionPart(conditioner="scalar", parameters={"column": "age"}, name="age", kind="vector", size=1)
    task = RowTask((part,), frozenset(), projects=False)
    layout = BidsLayout(tmp_path, ("t1",), samples, ("T1w",))
    (tmp_path / "inference_logs").mkdir()
    write_table(InferenceFolder(tmp_path).images_csv, ["SubjectID", "Channel_0"], [])

    layout.describe(
        [Described(layout.of_row(sample, "synthetic"), task.conditions(sample), sample.subject) for sample in samples],
        {},
    )

    assert (tmp_path / "participants.tsv").read_text().splitlines() == [
        "participant_id\tsource_subject\tage", "sub-s1\ts1\t50", "sub-s2\ts2\tn/a",
    ]  # fmt: skip
