"""Every registered weight adapter keeps its promises, and the checker finds adapters that do not."""

from collections.abc import Sequence

import pytest

from gandlf_synth import registry
from gandlf_synth.errors import PluginError
from gandlf_synth.pretrained.adapters.base import AdaptedWeights, AdapterExample, WeightAdapter
from gandlf_synth.pretrained.adapters.maisi import small_maisi, with_names_of_monai
from gandlf_synth.pretrained.adapters.monai import adapt_monai, autoencoder_example
from gandlf_synth.pretrained.stored_model import StoredModel
from gandlf_synth.registry import register
from gandlf_synth.testing import check_weight_adapter


@pytest.mark.parametrize("name", registry.names("weight_adapters"))
def test_weight_adapter_keeps_its_promises(name: str) -> None:
    check_weight_adapter(name)


class Forgetful(WeightAdapter):
    """Takes MAISI's autoencoder for one of MONAI's, whose upsampling is another."""

    def recognizes(self, stored: StoredModel) -> bool:
        return "encoder.blocks.0.conv.conv.weight" in stored.weights

    def adapt(self, stored: StoredModel, family: str) -> AdaptedWeights:
        return adapt_monai(stored, with_names_of_monai(stored.weights), family)

    def examples(self) -> Sequence[AdapterExample]:
        return [autoencoder_example(small_maisi())]


def test_an_adapter_that_forgets_how_the_decoder_enlarges_is_found(plugins: None) -> None:
    register("weight_adapters", "forgetful")(Forgetful)

    with pytest.raises(PluginError) as error:
        check_weight_adapter("forgetful")

    message = str(error.value)
    assert (
        "weight_adapters.forgetful: breaks a promise: the model computes what the original network computes" in message
    )
    assert "no other adapter does; it gives forgetful, maisi" in message
