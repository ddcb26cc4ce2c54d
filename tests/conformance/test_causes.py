"""Every registered cause keeps the promises of its group."""

from collections.abc import Iterator

import numpy as np
import pytest

from gandlf_synth import registry
from gandlf_synth.errors import PluginError
from gandlf_synth.evaluation.causes.degradation import ComparedPlanes, Degradation
from gandlf_synth.evaluation.causes.reproduction import possible_changes
from gandlf_synth.registry import register
from gandlf_synth.testing import check_cause


@pytest.mark.parametrize("name", registry.names("causes"))
def test_every_cause_keeps_its_promises(name: str) -> None:
    check_cause(name)


def test_a_broken_promise_is_named(plugins: None) -> None:
    @register("causes", "too_bright")
    def too_bright(compared: ComparedPlanes) -> Iterator[Degradation]:
        yield Degradation("too_bright", "images are too bright", lambda planes: planes + 1)

    with pytest.raises(PluginError, match="a change gives images of the same shape"):
        check_cause("too_bright")


def test_a_cause_of_a_plugin_is_tried(plugins: None) -> None:
    @register("causes", "dark_corner")
    def dark_corner(compared: ComparedPlanes) -> Iterator[Degradation]:
        yield Degradation("dark_corner", "a corner is dark", lambda planes: planes * 0.5)

    flat = np.full((4, 1, 1, 16, 16), 0.5, dtype=np.float32)

    assert "dark_corner" in [change.name for change in possible_changes(ComparedPlanes(flat, flat))]
