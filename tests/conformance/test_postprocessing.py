"""Every registered postprocessing step keeps its promises, and the checker finds those that do not."""

import pytest

from gandlf_synth import registry
from gandlf_synth.data.processing.base import Postprocessing
from gandlf_synth.data.processing.postprocessing import Values
from gandlf_synth.errors import PluginError
from gandlf_synth.registry import register
from gandlf_synth.testing import check_postprocessing


@pytest.mark.parametrize("name", registry.names("postprocessing"))
def test_postprocessing_keeps_its_promises(name: str) -> None:
    check_postprocessing(name, {0: 0, 1: 3, 2: 5} if name == "mapping" else None)


class Stretched(Postprocessing):
    """Stretches the values in place, and divides by zero where there is no contrast."""

    def __call__(self, channel: Values) -> Values:
        channel -= channel.min()
        channel /= channel.max()
        return channel


def test_broken_promises_are_named(plugins: None) -> None:
    register("postprocessing", "stretched")(Stretched)

    with pytest.raises(PluginError) as error:
        check_postprocessing("stretched")

    assert "the same channel gives the same result, and is not changed; it gives a changed original" in str(error.value)
    assert "it takes images without any contrast; it gives values that are not finite" in str(error.value)
    assert "keeps the shape" not in str(error.value)
