"""Every registered sampler and noise schedule keeps its promises, and the checkers find those that do not."""

import pytest
import torch
from torch import Tensor

from gandlf_synth import registry
from gandlf_synth.diffusion.samplers.base import FreshNoise, Predict, Transitions, ddim_step, only_for
from gandlf_synth.errors import PluginError
from gandlf_synth.registry import register
from gandlf_synth.testing import check_noise_schedule, check_sampler

SECOND_ORDER = {"dpmpp_2m", "heun", "unipc"}


@pytest.mark.parametrize("name", registry.names("samplers"))
def test_sampler_keeps_its_promises(name: str) -> None:
    check_sampler(name, order=2 if name in SECOND_ORDER else 1)


@pytest.mark.parametrize("name", registry.names("noise_schedules"))
def test_noise_schedule_keeps_its_promises(name: str) -> None:
    check_noise_schedule(name)


def test_a_sampler_that_stops_early_or_draws_by_itself_is_found(plugins: None) -> None:
    @register("samplers", "early")
    @only_for("diffusion")
    def early(predict: Predict, noise: Tensor, transitions: Transitions, fresh_noise: FreshNoise, /) -> Tensor:
        noisy = noise
        for start, end in list(transitions)[:-1]:
            noisy = ddim_step(noisy, predict(noisy, start), start, end)
        return noisy + 0.01 * torch.randn(noise.shape)

    with pytest.raises(PluginError) as error:
        check_sampler("early")

    message = str(error.value)
    assert (
        "on the paths of diffusion, a sure prediction is what comes out, for any number of steps; it gives" in message
    )
    assert "the same noise gives the same images; it gives another state of torch's own generator" in message
    assert "flow" not in message


def test_a_first_order_sampler_is_not_of_second_order() -> None:
    with pytest.raises(
        PluginError, match=r"on the paths of flow, the error falls with order 2; it gives order 1\.0"
    ) as error:
        check_sampler("euler", order=2)
    assert len(error.value.problems) == 1


def test_a_sampler_that_mixes_the_batch_is_found(plugins: None) -> None:
    @register("samplers", "mixing")
    def mixing(predict: Predict, noise: Tensor, transitions: Transitions, fresh_noise: FreshNoise, /) -> Tensor:
        noisy = noise - noise.mean(0)
        for start, end in transitions:
            noisy = ddim_step(noisy, predict(noisy, start), start, end)
        return noisy

    with pytest.raises(PluginError, match="an image does not depend on the others of its batch"):
        check_sampler("mixing")


def test_broken_promises_of_a_schedule_are_named(plugins: None) -> None:
    @register("noise_schedules", "constant")
    def constant(num_timesteps: int, /) -> Tensor:
        return torch.full((num_timesteps,), 1e-3 + 1e-6 * float(torch.rand(1)))

    with pytest.raises(PluginError) as error:
        check_noise_schedule("constant")

    assert "the first step leaves most of the image, the last next to nothing; it gives 99.9% of" in str(error.value)
    assert "the same number of timesteps gives the same betas; it gives other betas" in str(error.value)
    assert "one beta" not in str(error.value)
