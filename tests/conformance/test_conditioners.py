"""Every registered conditioner keeps its promises, and the checker finds those that do not."""

from collections.abc import Mapping

import pytest
from pydantic import JsonValue

from gandlf_synth import registry
from gandlf_synth.config import parse_document, validate
from gandlf_synth.data.loading.conditioners import Conditioner, build_conditioner
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import PluginError
from gandlf_synth.registry import register
from gandlf_synth.testing import check_conditioner

CASES: dict[str, tuple[object, list[dict[str, str]]]] = {
    "class": (None, [{"Label": "0"}, {"Label": "3"}, {"Label": "0"}]),
}


def test_every_conditioner_is_tried() -> None:
    assert set(CASES) | {"image"} == set(registry.names("conditioners"))


@pytest.mark.parametrize("name", CASES)
def test_conditioner_keeps_its_promises(name: str) -> None:
    parameters, rows = CASES[name]
    check_conditioner(name, parameters, rows=rows)


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
