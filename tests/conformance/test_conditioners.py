"""Every registered conditioner keeps its promises, and the checker finds those that do not."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from pydantic import JsonValue

from gandlf_synth import registry
from gandlf_synth.config import parse_document, validate
from gandlf_synth.data.loading.conditioners import Conditioner, build_conditioner
from gandlf_synth.data.loading.conditioning.image_source import ImageSource
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import PluginError
from gandlf_synth.registry import register
from gandlf_synth.testing import check_conditioner

CASES: dict[str, tuple[object, list[dict[str, str]]]] = {
    "class": (None, [{"Label": "0"}, {"Label": "3"}, {"Label": "0"}]),
    "scalar": ({"column": "age"}, [{"age": "50"}, {"age": "61.5"}]),
    "category": ("sex", [{"sex": "F"}, {"sex": "M"}]),
    "image": ({"missing": 0.5}, []),
    "mask": ({"drop_classes": 0.3}, []),
    "region": ({"holes": "random"}, []),
    "low_resolution": ({"factor": [1, 2, 3]}, []),
    "spacing": (None, []),
}


def test_every_conditioner_is_tried() -> None:
    assert set(CASES) | {"embedding"} == set(registry.names("conditioners"))


def test_embedding_keeps_its_promises(tmp_path: Path) -> None:
    for number in range(2):
        np.save(tmp_path / f"{number}.npy", np.random.default_rng(number).normal(size=5))

    check_conditioner("embedding", "vector", rows=[{"vector": str(tmp_path / f"{number}.npy")} for number in range(2)])


@pytest.mark.parametrize("holes", ["Region", "Mask"])
def test_region_keeps_its_promises_with_holes_of_a_column(holes: str) -> None:
    check_conditioner("region", {"holes": holes})


@pytest.mark.parametrize("name", CASES)
def test_conditioner_keeps_its_promises(name: str) -> None:
    parameters, rows = CASES[name]
    check_conditioner(name, parameters, rows=rows)


class MaskedSource(ImageSource):
    """Wants a mask beside its source, and does not say so of a whole table."""

    def says(self, sample: Sample) -> bool:
        return any(sample.sources) and sample.mask is not None


def test_a_conditioner_that_says_one_thing_of_a_row_and_another_of_the_table_is_found(plugins: None) -> None:
    register("conditioners", "masked_source")(MaskedSource)

    with pytest.raises(PluginError, match="rows asked together say and teach what each of them does"):
        check_conditioner("masked_source")


class Rank(Conditioner):
    """Numbers the rows, and takes nothing for 0."""

    kind = "vector"
    column: str

    def fit(self, train: Manifest) -> tuple[int, dict[str, JsonValue]]:
        return 2, {"largest": len(train.samples)}

    def encode(self, sample: Sample, facts: Mapping[str, JsonValue]) -> list[float]:
        return [float(sample.row)]


def test_broken_promises_are_named(plugins: None) -> None:
    register("conditioners", "rank")(Rank)

    with pytest.raises(PluginError) as error:
        check_conditioner("rank", {"column": "age"}, rows=[{"age": "1"}, {"age": "2"}])

    message = str(error.value)
    assert "finite numbers of that size" in message
    assert "a row that says nothing is unknown" in message
    assert "JSON" not in message or "it raises" in message


def test_a_bare_name_is_enough_where_nothing_is_required() -> None:
    document = parse_document("model_config: {model_name: ddpm, conditioning: [class]}", "config.yaml")

    (step,) = validate(document).config.model.conditioning

    assert build_conditioner(step.name, step.parameters).part_name == "class"
