"""``compute.compile`` compiles what training calls, and is refused where that cannot work."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from tests.runs import tiny_config, tiny_module, tiny_spec, train
from torch import nn

from gandlf_synth import registry
from gandlf_synth.errors import ConfigError

WITHOUT_PENALTY: dict[str, dict[str, Any]] = {
    "stylegan2": {"r1_gamma": 0, "path_length_weight": 0},
    "vqvae": {"prior_fraction": 0.5},
}


class _Calls(Callback):
    """Notes which of the modules were called as functions, in training."""

    def __init__(self) -> None:
        self.called: set[nn.Module] = set()

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        for network in pl_module.networks_to_compile():
            network.register_forward_hook(lambda network, *_: self.called.add(network) if network.training else None)


@pytest.mark.parametrize("family", sorted(set(registry.names("models")) - {"stylegan"}))
def test_training_calls_every_network_that_is_compiled(family: str, tmp_path: Path) -> None:
    calls = _Calls()

    run = train(family, tmp_path, callbacks=[calls], section=WITHOUT_PENALTY.get(family))

    networks = run.module.networks_to_compile()
    learning = sum(each.numel() for network in networks for each in network.parameters() if each.requires_grad)
    assert calls.called == set(networks)
    assert learning > 0.9 * sum(each.numel() for each in run.module.parameters() if each.requires_grad)


@pytest.mark.parametrize("family", ["ddpm", "vqvae"])
def test_a_compiled_run_ends_with_the_loss_of_one_that_is_not(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs: list[Any] = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    compile_with = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda network: compile_with(network, backend=backend))

    plain, compiled = (
        train(family, tmp_path / str(chosen), compute={"compile": chosen}, section=WITHOUT_PENALTY.get(family))
        for chosen in (False, True)
    )

    assert graphs
    assert compiled.result.metrics["val_loss"] == pytest.approx(plain.result.metrics["val_loss"], rel=1e-4)


JOINED = ["pix2pix", "autoencoder_kl", "vqvae"]
"""Families whose discriminator is weighed by two gradients of one graph."""


@pytest.mark.parametrize("family", JOINED)
def test_compiled_networks_keep_their_buffers_where_two_gradients_are_taken(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.nn.Module, "compile", lambda _: None)
    module = tiny_module(tiny_config(family, {}, adversarial_weight=0.5), tiny_spec(2))

    with torch._functorch.config.patch(donated_buffer=True):
        module.compile_networks()

        assert not torch._functorch.config.donated_buffer


@pytest.mark.slow
@pytest.mark.parametrize("family", JOINED)
def test_a_discriminator_that_joins_a_compiled_run_weighs_in_as_in_one_that_is_not(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_with = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda network: compile_with(network, backend="aot_eager"))
    section: dict[str, Any] = {
        **WITHOUT_PENALTY.get(family, {}),
        "adversarial_weight": 0.5,
        "adversarial_start_fraction": 0.5,
    }

    with torch._functorch.config.patch(donated_buffer=True):
        plain, compiled = (
            train(family, tmp_path / str(chosen), samples=16, epochs=1, compute={"compile": chosen}, section=section)
            for chosen in (False, True)
        )

    for name in ("train_loss", "train_discriminator_loss", "val_loss"):
        assert compiled.result.metrics[name] == pytest.approx(plain.result.metrics[name], rel=1e-4)


@pytest.mark.parametrize(
    ("family", "section", "keys"),
    [
        ("stylegan2", {}, "model_config.r1_gamma: 0 and model_config.path_length_weight: 0"),
        ("stylegan", {}, "model_config.architecture.gradient_penalty_weight: 0"),
        ("dcgan", {"r1_gamma": 1.0}, "set model_config.r1_gamma: 0"),
    ],
)
def test_compiling_is_refused_where_penalties_need_second_derivatives(
    family: str, section: dict[str, Any], keys: str
) -> None:
    module = tiny_module(tiny_config(family, {}, **section), tiny_spec(2))

    with pytest.raises(ConfigError, match=r"compute\.compile: true: .* second derivatives") as refusal:
        module.networks_to_compile()
    assert keys in str(refusal.value)
