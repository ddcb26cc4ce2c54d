"""A Croissant file, by which catalogues of datasets and machine-learning libraries know a folder of synthetic images.

Croissant 1.0 (https://docs.mlcommons.org/croissant/docs/croissant-spec.html) with the fields of its vocabulary for
responsible AI (RAI 1.0).
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gandlf_synth.data.formats.checksums import content_sha256
from gandlf_synth.files import relative_to, write_json
from gandlf_synth.provenance import NOT_STATED

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_MEANING = {
    "SubjectID": "What the image is called, or the subject of the row that it was made from.",
    "Label": "The class that the model was asked to show, as a number.",
    "LabelMapping": "The class that the model was asked to show, by name.",
}
_INTEGERS = ("Label",)


def write_croissant(path: Path, table: Path, about: Mapping[str, Any], *, from_rows: bool) -> None:
    """Write the Croissant file of a folder of synthetic images.

    Args:
        path: the file, in that folder.
        table: ``images.csv``.
        about: what the provenance of every image says.
        from_rows: whether the images were made from the rows of a CSV, and may show the people of these.
    """
    with table.open(newline="", encoding="utf-8") as file:
        header = next(csv.reader(file))
    model = str(about.get("model_name", "a generative model"))
    parent = about.get("init_from")
    stated = parent.get("license") if isinstance(parent, dict) else None
    license_of_parent = {"license": stated} if stated and stated != NOT_STATED else {}
    made = "made from the rows of a CSV" if from_rows else "new, of no patient"
    name = relative_to(table, path).as_posix()
    content = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": f"synthetic_images_{model}",
        "description": f"Synthetic medical images, {made}, by the model {model} of GaNDLF-Synth, "
        f"weights {about.get('weights_sha256', 'unknown')}, seed {about.get('user_seed', 'unknown')}. "
        "No image is a measurement.",
        "keywords": ["synthetic", "medical imaging", model],
        **license_of_parent,
        "version": "1.0.0",
        **_responsible_ai(model, about, from_rows=from_rows),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "images.csv",
                "name": "images.csv",
                "description": "The images, with what they were asked to show; paths are relative to this file.",
                "contentUrl": name,
                "encodingFormat": "text/csv",
                "sha256": content_sha256(table),
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "images",
                "name": "images",
                "description": "One image of each record.",
                "field": [_field(column) for column in header],
            }
        ],
    }
    write_json(path, content)


def _field(column: str) -> dict[str, Any]:
    name = column.replace("/", "_")
    return {
        "@type": "cr:Field",
        "@id": f"images/{name}",
        "name": name,
        "description": _MEANING.get(column) or _of_column(column),
        "dataType": "sc:Integer" if column in _INTEGERS else "sc:Text",
        "source": {"fileObject": {"@id": "images.csv"}, "extract": {"column": column}},
    }


def _of_column(column: str) -> str:
    if column.startswith("Channel_"):
        return "The file of the synthetic image."
    return "The cell of the row that the image was made from."


def _responsible_ai(model: str, about: Mapping[str, Any], *, from_rows: bool) -> dict[str, Any]:
    training = f"data with digest {about.get('data_digest', 'unknown')}"
    sensitive = (
        "The images were made from images of people and may show their anatomy: handle them as these."
        if from_rows
        else "None is given on purpose. A model can repeat images that it was trained on: evaluate before sharing."
    )
    return {
        "rai:dataCollection": f"Sampled from the generative model {model}, which was trained on {training}.",
        "rai:dataCollectionType": "Others",
        "rai:dataCollectionMissingData": "None: every image that was asked for is there.",
        "rai:dataUseCases": "Research on image analysis: augmentation, development of methods, teaching. Not for care.",
        "rai:dataLimitations": "What the training data lacks, the images lack: rare findings, scanners, populations.",
        "rai:dataBiases": "Those of the training data; a model may add to them, as it shows common things more often.",
        "rai:personalSensitiveInformation": sensitive,
    }
