"""Torch's ``meta`` device in a GPU's place: it has no values, so it refuses tensors left on the CPU and every look at one.

What looks at values all the same is listed here with its reason; everything else is an error on a GPU or a wait for it.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.runs import tiny_config, tiny_module, tiny_spec
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gandlf_synth import registry
from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.dataset import Batch
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.testing import synthetic_condition

FAMILIES = sorted(registry.names("models"))
WAITS_IN_SAMPLING = {
    "vqvae": "every code is drawn by the image's own generator, on the CPU",
    "stylegan": "the stage of a loaded model is in its buffers",
}


@pytest.fixture(autouse=True)
def _no_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # it does not know the device


class _NoDoubles(TorchDispatchMode):
    """Refuses numbers of 64 bits on the device, which Apple's GPUs do not have."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for each in tree_leaves(result):
            if isinstance(each, torch.Tensor) and each.device.type == "meta" and each.dtype == torch.float64:
                pytest.fail(f"{func} makes numbers of 64 bits on the device")
        return result


@pytest.fixture(autouse=True)
def _no_doubles() -> Iterator[None]:
    with _NoDoubles():
        yield


def _nothing(*_: Any, **__: Any) -> None:
    """Log nothing."""


def on_meta(family: str, dims: int) -> Any:
    section = {"prior_fraction": 1} if family == "vqvae" else {}
    module: Any = tiny_module(tiny_config(family, {}, **section), tiny_spec(dims))
    trainer = SimpleNamespace(world_size=1, current_epoch=0, num_training_batches=4, global_rank=0)
    facts = {"log": _nothing, "log_dict": _nothing, "training_progress": 0.5, "trainer": trainer, "global_rank": 0}
    module.__class__ = type("Alone", (type(module),), {**facts, "turns": 0})
    if family == "vqvae":
        module._learning = (True, True)
    if family in ("autoencoder_kl", "pix2pix"):
        module._with_discriminator = True
    return module.to("meta")


def condition_on_meta(module: GenerativeModule, count: int) -> Condition:
    return synthetic_condition(module.spec, count).to("meta")


def batch_on_meta(module: GenerativeModule) -> Batch:
    return Batch(
        image=torch.empty(4, 1, *module.spec.shape, device="meta"),
        condition=condition_on_meta(module, 4),
        index=torch.empty(4, dtype=torch.long, device="meta"),
    )


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_training_step_leaves_nothing_on_the_cpu_and_does_not_wait_for_the_gpu(family: str, dims: int) -> None:
    module = on_meta(family, dims)

    def update(name: str, loss: torch.Tensor, _: int) -> torch.Tensor:
        loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
        return loss.detach()

    if module.automatic_optimization:
        module.training_step(batch_on_meta(module), 0).backward()
    else:
        module.update = update
        module.training_step(batch_on_meta(module), 0)

    gradients = [each.grad for each in module.parameters() if each.grad is not None]
    assert gradients
    assert all(gradient.device.type == "meta" for gradient in gradients)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(WAITS_IN_SAMPLING)))
def test_sampling_leaves_nothing_on_the_cpu_and_does_not_wait_for_the_gpu(family: str, dims: int) -> None:
    module = on_meta(family, dims).eval()

    with torch.inference_mode():
        images = module.sample((1, 2, 3), condition_on_meta(module, 3), SamplingOptions())

    assert images.device.type == "meta"
    assert images.shape == (3, 1, *module.spec.shape)


@pytest.mark.parametrize("family", sorted(WAITS_IN_SAMPLING))
def test_what_is_listed_as_waiting_in_sampling_does(family: str) -> None:
    module = on_meta(family, 2).eval()

    with pytest.raises((RuntimeError, NotImplementedError), match="meta"), torch.inference_mode():
        module.sample((1, 2, 3), condition_on_meta(module, 3), SamplingOptions())


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_reconstruction_leaves_nothing_on_the_cpu_and_does_not_wait_for_the_gpu(family: str, dims: int) -> None:
    module = on_meta(family, dims).eval()
    if type(module).reconstruct is GenerativeModule.reconstruct:
        pytest.skip("does not reconstruct")
    batch = batch_on_meta(module)

    with torch.inference_mode():
        images = module.reconstruct(batch["image"], batch["condition"])

    assert images.device.type == "meta"
