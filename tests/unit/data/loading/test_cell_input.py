"""What a person is asked for follows from what the conditioners learned of the training rows."""

import pytest

from gandlf_synth.data.loading.cell_input import CellInput
from gandlf_synth.data.loading.conditioners import build_conditioner


@pytest.mark.parametrize(
    ("name", "parameters", "facts", "asked"),
    [
        ("class", None, {"labels": [0, 1]}, []),
        ("scalar", {"column": "age", "unit": "years"}, {"low": 30.0, "high": 80.0},
         [CellInput(column="age", kind="number", low=30, high=80, unit="years")]),
        ("category", "sex", {"words": ["F", "M"]}, [CellInput(column="sex", kind="choice", choices=("F", "M"))]),
        ("embedding", "report", {"size": 8, "scale": 1.0},
         [CellInput(column="report", kind="file", about="a .npy file with 8 numbers")]),
        ("image", None, {"channels": [1, 1], "names": ["t1", "t2"]},
         [CellInput(column="Source_0", kind="image", title="t1"), CellInput(column="Source_1", kind="image", title="t2")]),
        ("low_resolution", {"factor": 2}, {}, []),
        ("spacing", None, {}, []),
    ],
)  # fmt: skip
def test_each_conditioner_asks_for_the_cells_that_it_reads(
    name: str, parameters: object, facts: dict[str, object], asked: list[CellInput]
) -> None:
    assert list(build_conditioner(name, parameters).inputs(facts)) == asked


def test_masks_and_regions_are_asked_for_as_images() -> None:
    (mask,) = build_conditioner("mask").inputs({"labels": [0, 2, 5]})
    (region,) = build_conditioner("region", {"holes": "Mask"}).inputs({})

    assert (mask.column, mask.kind, mask.about) == ("Mask", "image", "a label map with labels among 0, 2, 5")
    assert (region.column, region.is_path) == ("Mask", True)
