"""Training passes as CUDA graphs give what the same passes give one operation at a time."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from rich.console import Console
from tests.runs import Run, tiny_config, tiny_module, tiny_spec, train

from gandlf_synth.config import LoaderOptions
from gandlf_synth.model_folder import ModelFolder
from gandlf_synth.models.checkpoint import load_module
from gandlf_synth.testing import synthetic_data
from gandlf_synth.training.callbacks.graphs import _GraphedForward
from gandlf_synth.training.fit import fit

RECORDED = ["ddpm", "flow_matching", "latent_diffusion", "cyclegan"]


class _Recorded(Callback):
    """Notes whether the networks were recorded."""

    recorded = False

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any, **__: Any) -> None:
        passes = [network.forward for network in pl_module.networks_for_graphs()]
        self.recorded = all(isinstance(each, _GraphedForward) and all(each.recordings.values()) for each in passes)


def _run(family: str, root: Path, *, graphs: bool, dims: int, precision: str, **section: Any) -> Run:
    recorded = _Recorded()
    compute = {"accelerator": "cuda", "precision": precision, "deterministic": True, "cuda_graphs": graphs}
    # Ten samples: the last batch of an epoch is smaller.
    run = train(family, root, dims=dims, samples=10, compute=compute, callbacks=[recorded], section=section)
    assert recorded.recorded == graphs
    return run


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("family", RECORDED)
def test_a_run_with_graphs_ends_where_one_without_does(family: str, dims: int, precision: str, tmp_path: Path) -> None:
    with_graphs, without = (
        _run(family, tmp_path / str(graphs), graphs=graphs, dims=dims, precision=precision) for graphs in (True, False)
    )

    assert with_graphs.result.steps == without.result.steps == 6
    weights, expected = (load_module(run.folder.last).state_dict() for run in (with_graphs, without))
    for name, value in weights.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)


def test_gradients_of_several_batches_are_added_up_without_graphs(tmp_path: Path) -> None:
    recorded = _Recorded()

    run = train(
        "ddpm",
        tmp_path,
        samples=16,
        compute={"accelerator": "cuda"},
        callbacks=[recorded],
        section={"accumulate_grad_batches": 2},
    )

    assert run.result.steps == 4
    assert not recorded.recorded


def test_a_graph_is_recorded_while_workers_load_and_a_thread_pins_batches(tmp_path: Path) -> None:
    config, spec, recorded = tiny_config("ddpm", {"accelerator": "cuda"}), tiny_spec(2), _Recorded()
    data = synthetic_data(spec, tmp_path, samples=64)
    data._loaders = dict.fromkeys(data._loaders, LoaderOptions(num_workers=2, prefetch_factor=8))

    result = fit(
        tiny_module(config, spec),
        data,
        config,
        ModelFolder(tmp_path / "model"),
        Console(quiet=True),
        callbacks=[recorded],
    )

    assert result.steps == 32
    assert recorded.recorded
