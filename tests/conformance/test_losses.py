"""Every registered loss keeps its promises, and the checker finds losses that do not."""

import pytest
import torch
from torch import Tensor, nn

from gandlf_synth import registry
from gandlf_synth.errors import ConfigError, PluginError
from gandlf_synth.losses.adversarial import PlainMean
from gandlf_synth.registry import register
from gandlf_synth.testing import check_loss


@pytest.mark.parametrize("name", registry.names("losses"))
def test_loss_keeps_its_promises(name: str) -> None:
    check_loss(name)


class Careless(nn.Module):
    """Changes its target, and forgets about the reduction."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        target += 1
        return (output - target).abs()


def test_broken_promises_are_named(plugins: None) -> None:
    register("losses", "careless")(Careless)

    with pytest.raises(PluginError) as error:
        check_loss("careless")

    message = str(error.value)
    assert "losses.careless: breaks a promise: it returns one finite number for images in 2D and 3D" in message
    assert "it gives [(4, 2, 6, 5), (2, 2, 4, 3, 5)]" in message
    assert "reduction none, mean and sum agree" in message


def test_a_loss_that_climbs_is_found(plugins: None) -> None:
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, output: Tensor) -> Tensor:
            return output.square().mean()

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:
            return -gradient.expand(4, 2, 6, 5)

    class Climbing(nn.Module):
        def forward(self, output: Tensor, target: Tensor) -> Tensor:
            return Wrong.apply(output)

    register("losses", "climbing")(Climbing)

    with pytest.raises(PluginError, match="a small step of the output against the gradient makes it smaller; it gives"):
        check_loss("climbing")


def test_a_loss_whose_generator_learns_to_be_found_out_is_found(plugins: None) -> None:
    class Reversed(PlainMean):
        def for_generator(self, fake: Tensor) -> Tensor:
            return fake.mean()

    register("losses", "reversed")(Reversed)

    with pytest.raises(PluginError, match="it gives the wrong direction for the generator's images"):
        check_loss("reversed")


def test_a_wrong_parameter_is_no_broken_promise() -> None:
    with pytest.raises(ConfigError, match="reduction"):
        check_loss("mse", {"reduction": "median"})
