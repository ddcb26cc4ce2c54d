"""An order as the rows of a CSV, which ``generate -dt`` reads."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from gandlf_synth.app.order import Order
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import ConfigError, Problem, did_you_mean, listing
from gandlf_synth.files import write_csv

_ENDING = re.compile(r"(\.nii|\.ome)?\.\w+$", re.IGNORECASE)


def write_rows(path: Path, order: Order, files: Mapping[str, Path], spec: DataSpec) -> None:
    """Write the CSV of an order: a row for each image, with the paths of files relative to the CSV.

    Args:
        path: the CSV.
        order: what to make.
        files: what it is made from, by column.
        spec: the classes of the model.

    Raises:
        ConfigError: the model knows no such class.
    """
    given = {column: os.path.relpath(file, path.parent) for column, file in files.items()}
    cells = {column: text for column, text in order.cells.items() if text.strip()}
    first = next(iter(files.values()), None)
    classes = ["Label", "LabelMapping"] if spec.labels else []
    rows: list[list[object]] = [["SubjectID", *given, *classes, *cells]]
    for number in range(order.number):
        is_file = first is not None and not first.is_dir()  # the folder of a series has a name of chance
        subject = _ENDING.sub("", first.name) if first is not None and is_file else f"image_{number + 1}"
        label = _label(order.class_name, number, spec) if classes else []
        rows.append([subject, *given.values(), *label, *cells.values()])
    write_csv(path, rows)


def check_class(name: str | None, spec: DataSpec) -> None:
    """Refuse a class that the model does not know.

    Raises:
        ConfigError: it does not.
    """
    if name is not None and name not in spec.class_names:
        hint = did_you_mean(name, spec.class_names)
        raise ConfigError(Problem("class", f"the model knows no class {name!r}", listing(spec.class_names), hint))


def _label(name: str | None, number: int, spec: DataSpec) -> list[object]:
    """Return the cells of a row's class."""
    own = class_of(name, number, spec)
    return [spec.labels[spec.class_names.index(own)], own]


def class_of(name: str | None, number: int, spec: DataSpec) -> str:
    """Return the class of an image; classes take turns where none is named, as ``generate -n`` has it."""
    if name is not None or not spec.labels:
        return name or ""
    return spec.class_names[number % spec.num_classes]
