"""What a person asks for: checked completely before it waits, and the same as a command."""

import csv
from pathlib import Path

import pytest
from tests.factories import spec_of

from gandlf_synth.api import GenerationRequest
from gandlf_synth.app.command_line import command_for
from gandlf_synth.app.order import Order
from gandlf_synth.app.rows import check_class, write_rows
from gandlf_synth.errors import ConfigError


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"number": 0}, "number: Input should be greater than or equal to 1"),
        ({"number": 65}, "number: Input should be less than or equal to 64"),
        ({"number": "many"}, "number: Input should be a valid integer"),
        ({"seed": -1}, "seed: Input should be greater than or equal to 0"),
        ({"seed": 2**63}, "seed: Input should be less than"),
        ({"guidance_scale": float("nan")}, "guidance_scale: Input should be"),
        ({"cells": {"age": ["50"]}}, "cells.age: Input should be a valid string"),
        ({"cells": {"age": "5" * 2000}}, "cells.age: String should have at most 1000 characters"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_order_says_which_field_is_wrong(content: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Order.parse(content)

    assert message in str(refusal.value)


def test_every_image_is_a_row_whose_class_takes_its_turn(tmp_path: Path) -> None:
    order = Order.parse({"number": 3, "cells": {"age": 50, "sex": " "}})
    source = tmp_path / "uploads" / "9" / "t1.nii.gz"

    write_rows(tmp_path / "job" / "inputs.csv", order, {"Source_0": source}, spec_of())

    with (tmp_path / "job" / "inputs.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["SubjectID", "Source_0", "Label", "LabelMapping", "age"],
        ["t1", "../uploads/9/t1.nii.gz", "3", "a", "50"],
        ["t1", "../uploads/9/t1.nii.gz", "4", "b", "50"],
        ["t1", "../uploads/9/t1.nii.gz", "3", "a", "50"],
    ]


def test_an_unknown_class_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"class: the model knows no class 'aa'; allowed: a, b"):
        check_class("aa", spec_of())


def test_the_command_is_one_that_a_shell_reads_back() -> None:
    request = GenerationRequest(
        "/my models/m", csv="/in put.csv", counts={"it's": 2}, seed=7, guidance_scale=2.12345678
    )

    assert command_for(request, [Path("/p.py")]) == (
        "gandlf-synth generate -m-dir '/my models/m' -n 'it'\"'\"'s=2' -dt '/in put.csv' --seed 7"
        " --guidance-scale 2.12345678 --plugin /p.py"
    )
