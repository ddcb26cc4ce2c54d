"""Which trainings are given CUDA graphs, and that a network without one works as before; the graphs: ``tests/gpu``."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.runs import tiny_config, train
from torch import nn

from gandlf_synth.training.callbacks.graphs import _GraphedForward, cuda_graphs


@pytest.mark.parametrize(
    ("compute", "section", "given"),
    [
        ({}, {}, True),
        ({"cuda_graphs": False}, {}, False),
        ({"compile": True}, {}, False),
        ({"strategy": "fsdp"}, {}, False),
        ({"strategy": "deepspeed"}, {}, False),
        ({}, {"accumulate_grad_batches": 2}, False),
    ],
)
def test_graphs_are_for_steps_of_one_batch_that_are_not_compiled(
    compute: dict[str, Any], section: dict[str, Any], given: bool
) -> None:
    assert bool(cuda_graphs(tiny_config("ddpm", compute, **section))) == given


@pytest.mark.parametrize("case", ["validates", "samples", "needs the gradient of its input"])
def test_what_is_no_training_pass_goes_the_usual_way(case: str) -> None:
    network, inputs = nn.Linear(3, 2), torch.randn(4, 3, requires_grad=case.startswith("needs"))
    expected = network(inputs)
    network.forward = _GraphedForward(network)  # type: ignore[method-assign]

    with torch.set_grad_enabled(case != "samples"):
        output = network.eval()(inputs) if case == "validates" else network(inputs)

    assert torch.equal(output, expected)
    assert output.requires_grad == (case != "samples")


def test_a_run_on_a_cpu_is_left_alone_by_graphs(tmp_path: Path) -> None:
    module: Any = train("ddpm", tmp_path, epochs=1).module

    assert "forward" not in vars(module.process.denoiser)
