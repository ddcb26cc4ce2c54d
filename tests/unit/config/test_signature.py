"""What is said of wrong parameters comes from the factory's own signature."""

import subprocess
import sys
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, TypeAdapter

from gandlf_synth.config import Component, Components, Document, components_at, parse_document
from gandlf_synth.config.signature import build, factory_of, parameter_model, parameter_problems
from gandlf_synth.errors import ConfigError


def problems(text: str, group: str) -> list[str]:
    document = parse_document(text, "c.yaml")
    components: Any = TypeAdapter(Components).validate_python(document.content[group])
    found = [
        problem
        for path, component in components_at(components, (group,))
        for problem in parameter_problems(group, component, document, path)
    ]
    return [str(problem) for problem in found]


@pytest.mark.parametrize(
    "text",
    [
        "optimizers:\n  name: adam\n\n  beta: [0.9, 0.9]\n",
        "optimizers:\n  adam:\n\n    beta: [0.9, 0.9]\n",
        "optimizers:\n  - name: adam\n\n  - beta: [0.9, 0.9]\n",
    ],
)
def test_an_unknown_parameter_is_named_with_its_line_and_a_suggestion(text: str) -> None:
    assert problems(text, "optimizers") == [
        "c.yaml:4: optimizers.beta: unknown key; allowed: lr, betas, weight_decay, eps, amsgrad; did you mean 'betas'?"
    ]


def test_all_problems_of_all_networks_are_reported() -> None:
    text = """\
losses:
  - generator: {name: mse, reductoin: sum}
  - discriminator:
      cel:
        label_smoothing: 2
        weight: heavy
"""

    assert problems(text, "losses") == [
        "c.yaml:2: losses.generator.reductoin: unknown key; allowed: reduction; did you mean 'reduction'?",
        "c.yaml:6: losses.discriminator.weight: 'heavy' is not valid; allowed: list",
        "c.yaml:5: losses.discriminator.label_smoothing: 2 is not valid; allowed: less than or equal to 1",
    ]


def test_an_unknown_name_is_reported_at_its_place() -> None:
    assert "c.yaml:1: schedulers: unknown name 'stp' in schedulers" in problems("schedulers: stp", "schedulers")[0]


def test_valid_parameters_are_no_problem() -> None:
    assert problems("optimizers: {name: AdamW, lr: 1e-4, betas: [0.5, 0.9]}", "optimizers") == []
    assert problems("losses: plain_mean", "losses") == []


def factory(
    given: str, /, size: int, *, mode: Literal["a", "b"] = "a", share: Annotated[float, Field(le=1)] = 0.5
) -> Any:
    if size == 13:
        raise ValueError("13 brings bad luck")
    return given, size, mode, share


def component(**parameters: Any) -> Component:
    return Component.model_validate({"name": "thing", **parameters})


def test_a_factory_gets_converted_values_and_its_own_defaults() -> None:
    assert build(factory, component(size="3", share=1), "here", "given") == ("given", 3, "a", 1.0)


def test_context_wins_over_what_is_written() -> None:
    assert build(factory, component(size=3, mode="a"), "here", "given", mode="b") == ("given", 3, "b", 0.5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "here: size: is required but absent"),
        ({"size": 3, "mode": "c"}, "here: mode: 'c' is not valid; allowed: a, b"),
        ({"size": 3, "given": "x"}, "here: given: unknown key; allowed: size, mode, share"),
        ({"size": 13}, "here: thing refuses its parameters: 13 brings bad luck"),
    ],
)
def test_what_a_factory_refuses_is_an_error_in_the_configuration(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(factory, component(**parameters), "here", "given")

    assert str(caught.value) == message


def test_context_that_the_factory_does_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="here: thing cannot be used here: it has no parameter colour"):
        build(factory, component(size=3), "here", "given", colour="red")


def test_an_unknown_name_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigError, match="here: unknown name 'thing' in losses"):
        factory_of("losses", component(), "here")


class _Plugin:
    def __init__(self, size: "int", depth: "NameForTypeCheckersOnly" = 2, **rest: Any) -> None:  # type: ignore[name-defined]  # noqa: F821
        self.values = (size, depth, rest)


def test_classes_and_unresolved_annotations_and_open_signatures_work() -> None:
    assert build(_Plugin, component(size=3, other=1), "here").values == (3, 2, {"other": 1})
    assert parameter_model(_Plugin).model_fields.keys() == {"size", "depth"}


def test_checking_parameters_imports_no_torch() -> None:
    code = """
import sys
from gandlf_synth.config import Component, Document
from gandlf_synth.config.signature import parameter_problems
for group, name in [("losses", "cel"), ("optimizers", "lion"), ("schedulers", "wcs")]:
    assert not parameter_problems(group, Component(name=name), Document("c", {}), ())
from gandlf_synth import registry
for name in registry.names("augmentations"):
    registry.load("augmentations", name).model_validate(None)
assert not {"torch", "monai", "torchio"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_document_without_lines_still_names_the_file() -> None:
    found = parameter_problems(
        "losses", Component.model_validate({"name": "mse", "x": 1}), Document("c.yaml", {}), ("losses",)
    )

    assert str(found[0]).startswith("c.yaml: losses.x: unknown key")
