"""Groups of components: what each holds is known, and what does not fit is refused in words."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points

import pytest

from gandlf_synth import registry
from gandlf_synth.errors import PluginError
from gandlf_synth.registry import GROUPS, register


@pytest.fixture(autouse=True)
def _forget_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


def test_every_entry_point_group_of_the_package_has_a_contract() -> None:
    groups = {name.removeprefix("gandlf_synth.") for name in entry_points().groups if name.startswith("gandlf_synth.")}

    assert groups - {"bridges"} <= set(GROUPS)


@pytest.mark.parametrize("group", [name for name, contract in GROUPS.items() if contract.base and registry.names(name)])
def test_the_base_class_of_a_group_is_where_the_contract_says(group: str) -> None:
    module, _, name = GROUPS[group].base.partition(":")

    assert getattr(import_module(module), name).__module__ == module


@pytest.mark.parametrize("use", [registry.names, partial(registry.load, name="mse"), partial(register, name="mine")])
def test_an_unknown_group_is_named_with_the_known_ones(use: Callable[[str], object]) -> None:
    with pytest.raises(PluginError, match=r"no group 'loses' .*allowed: models, .*losses.*did you mean 'losses'"):
        use("loses")


@pytest.mark.parametrize(
    ("group", "component", "message"),
    [
        ("losses", 3, "losses.mine: is of type int; allowed: a function"),
        ("preprocessing", print, "is of type builtin_function_or_method; allowed: a class derived from Transform"),
        ("preprocessing", dict, "is the class dict; allowed: a class derived from Transform"),
        ("models", dict, "is the class dict; allowed: an instance of ModelFamily"),
    ],
)
def test_what_has_not_the_shape_of_its_group_is_refused_with_an_example(
    group: str, component: object, message: str
) -> None:
    with pytest.raises(PluginError) as error:
        register(group, "mine")(component)

    assert message in str(error.value)
    assert f'register("{group}", "my_name")' in str(error.value)
    assert "mine" not in registry.names(group)


@pytest.mark.parametrize("group", GROUPS)
def test_every_built_in_component_has_the_shape_of_its_group_and_its_checker_is_shipped(group: str) -> None:
    module, _, checker = GROUPS[group].checker.partition(":")

    assert all(registry.load(group, name) is not None for name in registry.names(group))
    assert callable(getattr(import_module(module), checker))


def test_what_is_registered_late_is_listed_at_once() -> None:
    before = registry.names("losses")

    register("losses", "Mine")(lambda: None)

    assert registry.names("losses") == sorted([*before, "mine"])
    assert registry.registered("losses")[0][0] == "mine"
