"""Synthetic images as a derivative dataset of BIDS 1.10 (https://bids-specification.readthedocs.io)."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from gandlf_synth.data.formats.writers import Writer
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.errors import ConfigError, Problem, did_you_mean, listing, option
from gandlf_synth.files import write_json, write_text
from gandlf_synth.synthesis.layout import Described, ImagePlace, Layout

_VERSION = "1.10.0"
_ANATOMICAL = (
    "T1w", "T2w", "T2star", "T2starw", "FLAIR", "PDw", "PDT2", "inplaneT1", "inplaneT2", "angio", "T1rho", "T1map",
    "T2map", "T2starmap", "R1map", "R2map", "R2starmap", "PDmap", "MTRmap", "MTsat", "UNIT1", "MTRmap", "MWFmap",
)  # fmt: skip
FOLDERS = {**dict.fromkeys(_ANATOMICAL, "anat"), "pet": "pet", "ct": "ct"}
"""The folder of each suffix; ``ct`` is proposed (BEP024) and not yet in the standard."""
_GADOLINIUM = "ce-gadolinium_T1w"
_KNOWN_COLUMNS = {
    "t1": "T1w", "t1w": "T1w", "t1n": "T1w", "mprage": "T1w", "t1ce": _GADOLINIUM, "t1gd": _GADOLINIUM,
    "t1c": _GADOLINIUM, "t1post": _GADOLINIUM, "t2": "T2w", "t2w": "T2w", "flair": "FLAIR", "t2f": "FLAIR",
    "t2flair": "FLAIR", "pd": "PDw", "pdw": "PDw", "t2star": "T2starw", "angio": "angio", "mra": "angio",
    "pet": "pet", "ct": "ct",
}  # fmt: skip
_NAME = re.compile(r"(?:ce-[0-9A-Za-z]+_)?([0-9A-Za-z]+)")
_IGNORED = (
    "inference_logs",
    "inference_logs/**",
    "inference_manager.log",
    "contact_sheet.png",
    "croissant.json",
    ".lock",
    "*_ct.*",
)
_DIGITS = 8
_UNKNOWN = "n/a"


def choose_suffixes(spec: DataSpec, writer: Writer, given: Sequence[str]) -> tuple[str, ...]:
    """Return the suffix of each CSV column's files, such as ``T1w`` or ``ce-gadolinium_T1w``.

    Args:
        spec: the data, whose columns may be called as a sequence is.
        writer: the file format.
        given: what the user says, one for each column; empty: as the columns are called.

    Raises:
        ConfigError: the images do not fit into BIDS, or a suffix is unknown, missing or there twice.
    """
    layout, flag = f"{option('layout')} bids", option("bids_suffix")
    if writer.suffix != ".nii.gz":
        raise ConfigError(Problem(layout, f"holds NIfTI files, not {writer.suffix or 'DICOM'}", "nifti as the format"))
    if any(channels != 1 for channels in spec.column_channels):
        raise ConfigError(Problem(layout, "holds images of one channel, not of colours", fix="use the plain layout"))
    columns = listing(spec.column_names)
    if given and len(given) != len(spec.column_names):
        what = f"is given {len(given)} times"
        raise ConfigError(Problem(flag, what, f"once for each image of a subject, in this order: {columns}"))
    suffixes = given or [_KNOWN_COLUMNS.get(re.sub(r"[^0-9a-z]", "", name.lower()), "") for name in spec.column_names]
    for suffix, column in zip(suffixes, spec.column_names, strict=True):
        match = _NAME.fullmatch(suffix)
        if not suffix:
            what = f"needs the kind of image, which {column!r} does not tell"
            raise ConfigError(Problem(layout, what, fix=f"say it: {flag} T1w, or {listing(list(FOLDERS)[1:6])} …"))
        if match is None or match[1] not in FOLDERS:
            hint = did_you_mean(suffix, FOLDERS)
            raise ConfigError(Problem(flag, f"{suffix!r} is no suffix of BIDS for such images", listing(FOLDERS), hint))
    if len(set(suffixes)) < len(suffixes):
        what = f"would give the images of a subject the same name: {listing(suffixes)}"
        raise ConfigError(Problem(layout, what, fix=f"say with {flag} what {columns} are"))
    return tuple(suffixes)


def check_place(root: Path) -> None:
    """Refuse to write into a BIDS dataset of something else than derivatives, which would mix real and synthetic.

    Raises:
        ConfigError: ``root`` or a folder above it is a dataset, and no folder ``derivatives`` is between.
    """
    for folder in (root.resolve(), *root.resolve().parents):
        if folder.name == "derivatives":
            return
        if (folder / "dataset_description.json").is_file():
            what = f"lies in another BIDS dataset, {folder}, whose images would mix with the synthetic ones"
            fix = f"name {folder / 'derivatives'}, or a folder outside"
            raise ConfigError(Problem(f"{option('output_dir')} {root}", what, fix=fix))


@dataclass(frozen=True)
class BidsLayout(Layout):
    """One folder per subject: ``sub-SYNTH001/anat/sub-SYNTH001_desc-synthetic_T1w.nii.gz``.

    BIDS has no entity that says synthetic, so ``desc`` says it.

    Args:
        suffixes: of the files of each CSV column; see ``choose_suffixes``.
        skull_stripped: whether everything but the brain is 0 in the images, which BIDS wants to be told.

    Example:
        >>> BidsLayout(Path("made"), ("t1",), suffixes=("T1w",)).of_number(0, None).names
        ['sub-SYNTH001_desc-synthetic_T1w']
    """

    suffixes: Sequence[str] = ()
    skull_stripped: bool = False

    def of_number(self, index: int, label: int | None) -> ImagePlace:
        """Return the files of ``sub-SYNTH001`` for the first image; the class is in ``participants.tsv``."""
        return self._place(f"SYNTH{index + 1:03d}", "", "synthetic")

    def of_row(self, sample: Sample, kind: str) -> ImagePlace:
        """Return the files of a subject, with the row as ``run`` where several rows are of that subject."""
        word, _, number = kind.partition("_")
        desc = f"synthetic{int(number) + 1}" if number else word if word == "synthetic" else f"synthetic{word.title()}"
        several = self._rows[sample.subject] > 1
        return self._place(self._labels[sample.subject], f"_run-{sample.row}" if several else "", desc)

    @cached_property
    def _rows(self) -> Counter[str]:
        return Counter(sample.subject for sample in self.samples)

    @cached_property
    def _labels(self) -> dict[str, str]:
        return subject_labels(sample.subject for sample in self.samples)

    def _place(self, label: str, run: str, desc: str) -> ImagePlace:
        names, folder = [], ""
        for suffix in self.suffixes:
            contrast, _, last = suffix.rpartition("_")
            enhanced = f"_{contrast}" if contrast else ""
            names.append(f"sub-{label}{enhanced}{run}_desc-{desc}_{last}")
            folder = FOLDERS[last]
        facts = {"Description": "Synthetic image, made by a generative model", "SkullStripped": self.skull_stripped}
        return ImagePlace(self.folder / f"sub-{label}" / folder, names, [f"{name}.json" for name in names], facts)

    def describe(self, images: Sequence[Described], about: Mapping[str, Any]) -> None:
        """Write what BIDS wants at the root of a dataset, and ``croissant.json``."""
        super().describe(images, about)
        model = about.get("model_name", "a generative model")
        write_json(
            self.folder / "dataset_description.json", _dataset_description(str(model), about, bool(self.samples))
        )
        rows, columns = _participants(images, with_source=bool(self.samples))
        write_text(self.folder / "participants.tsv", "".join("\t".join(row) + "\n" for row in rows))
        write_json(self.folder / "participants.json", columns)
        write_text(self.folder / ".bidsignore", "".join(f"{name}\n" for name in _IGNORED))
        write_text(self.folder / "README.md", _README.format(model=model))


def subject_labels(subjects: Iterable[str]) -> dict[str, str]:
    """Return a label for each subject, of letters and digits of ASCII only, as BIDS wants it.

    Subjects whose labels would be equal, on any file system, get digits of their own.

    Example:
        >>> subject_labels(["sub-01", "patient_7", "Jörg"])
        {'sub-01': '01', 'patient_7': 'patient7', 'Jörg': 'Jrg'}
        >>> subject_labels(["a_1", "a1"])
        {'a_1': 'a1x1426674c', 'a1': 'a1xf55ff16f'}
    """
    kept = {subject: re.sub(r"[^0-9A-Za-z]", "", subject.removeprefix("sub-")) for subject in subjects}
    count = Counter(label.lower() for label in kept.values())
    return {
        subject: label if label and count[label.lower()] == 1 else f"{label}x{_digits(subject)}"
        for subject, label in kept.items()
    }


def _digits(subject: str) -> str:
    return sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def _dataset_description(model: str, about: Mapping[str, Any], from_rows: bool) -> dict[str, Any]:
    weights = f"{model}, weights {about.get('weights_sha256', 'unknown')}, seed {about.get('user_seed', 'unknown')}"
    made = "made from the rows of a CSV" if from_rows else "new, of no patient"
    program = {
        "Name": "GaNDLF-Synth",
        "Version": about.get("software", {}).get("gandlf-synth", "unknown"),
        "Description": f"Synthetic images, {made}, by {weights}",
    }
    training = f"training data with digest {about.get('data_digest', 'unknown')}"
    return {
        "Name": f"Synthetic images by {model}",
        "BIDSVersion": _VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [program],
        "SourceDatasets": [{"Version": training}],
        "HowToAcknowledge": "Say that these images are synthetic wherever they are used.",
    }


def _participants(
    images: Sequence[Described], *, with_source: bool
) -> tuple[list[list[str]], dict[str, dict[str, object]]]:
    """Return the rows of ``participants.tsv``, the header first, and what its columns mean."""
    people: dict[str, list[Described]] = defaultdict(list)
    for image in images:
        people[image.place.folder.parent.name].append(image)
    names = list(dict.fromkeys(name for image in images for name in image.conditions))
    source = ["source_subject"] if with_source else []
    rows = [["participant_id", *source, *map(_cell, names)]]
    for person, own in people.items():
        cells = [_one_value(image.conditions.get(name, "") for image in own) for name in names]
        rows.append([person, *([_cell(own[0].subject)] if with_source else []), *cells])
    columns: dict[str, dict[str, object]] = {
        "participant_id": {"Description": "Synthetic; the number of the image, or the subject of the row"}
    }
    if with_source:
        columns["source_subject"] = {"Description": "The subject in the CSV that the images were made from"}
    asked = f"What the model was asked to show; {_UNKNOWN} where the images of a participant differ: see their JSON"
    return rows, columns | {_cell(name): {"Description": asked} for name in names}


def _one_value(values: Iterable[object]) -> str:
    different = {_cell(str(value)) for value in values}
    return different.pop() if len(different) == 1 else _UNKNOWN


def _cell(text: str) -> str:
    return " ".join(text.split()) or _UNKNOWN


_README = """\
# Synthetic images

Every image in this dataset was made by {model} with GaNDLF-Synth. None is a measurement of a patient, and none must
inform care. `desc-synthetic` in each name says so, and so do the header and the JSON beside each image.

`participants.tsv` holds what the model was asked to show. `gandlf-synth doctor` on this folder tells whether the images
are still as they were made.
"""
