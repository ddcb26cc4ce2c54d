"""Averages of several widths: the paper's formula, exact resumption, and what of them a checkpoint holds."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.runs import tiny_config, tiny_module, tiny_spec, train
from torch import nn

from gandlf_synth.errors import CheckpointError
from gandlf_synth.models.checkpoint import load_module, read_checkpoint
from gandlf_synth.models.stored_averages import load_average, stored_widths, write_average
from gandlf_synth.training.callbacks import PowerAverages
from gandlf_synth.training.callbacks.power_averages import describe_memory
from gandlf_synth.training.rates import power_exponent

WIDTHS = {"ema_widths": [0.05, 0.1]}


def averages_in(path: Path) -> dict[str, dict[str, torch.Tensor]]:
    content: Any = read_checkpoint(path)
    stored: dict[str, dict[str, torch.Tensor]] = content["averages"]
    return stored


@pytest.mark.parametrize("width", [0.05, 0.2])
def test_each_step_counts_by_its_share_of_the_power_function(width: float) -> None:
    model = nn.Module()
    model.part = nn.Linear(1, 1, bias=False)
    averages, values = PowerAverages([width]), torch.randn(200, generator=torch.Generator().manual_seed(0)).tolist()
    trainer: Any = SimpleNamespace(global_step=0)
    averages.on_train_start(trainer, model)
    for value in values:
        trainer.global_step += 2  # as where two networks take turns
        nn.init.constant_(model.part.weight, value)
        averages.on_train_batch_end(trainer, model, None, None, 0)
    checkpoint: dict[str, Any] = {}
    averages.on_save_checkpoint(trainer, model, checkpoint)

    power, count = power_exponent(width) + 1, len(values)
    shares = [((step + 1) / count) ** power - (step / count) ** power for step in range(count)]
    expected = sum(share * value for share, value in zip(shares, values, strict=True))
    assert checkpoint["averages"][f"{width:g}"]["part.weight"].item() == pytest.approx(expected, abs=1e-5)


def test_a_run_that_goes_on_ends_with_the_same_bits(tmp_path: Path) -> None:
    steady = {**WIDTHS, "lr_cooldown_fraction": 0.0}
    whole = train("ddpm", tmp_path / "whole", epochs=4, section=steady).folder.last
    begun = train("ddpm", tmp_path / "begun", epochs=2, section=steady).folder.last
    resumed = train("ddpm", tmp_path / "resumed", epochs=4, section=steady, resume_from=begun).folder.last

    ends, ends_too = averages_in(whole), averages_in(resumed)

    assert list(ends) == ["0.05", "0.1"]
    assert all(torch.equal(value, ends_too[width][name]) for width in ends for name, value in ends[width].items())
    assert not torch.equal(*(torch.cat([value.flatten() for value in each.values()]) for each in ends.values()))


def test_they_change_nothing_of_the_training(tmp_path: Path) -> None:
    plain, averaged = (train("dcgan", tmp_path / str(number), section=section).folder.last
                       for number, section in enumerate([{}, WIDTHS]))  # fmt: skip

    weights = [read_checkpoint(path)["state_dict"] for path in (plain, averaged)]

    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_a_model_is_loaded_with_the_average_that_is_asked_for(tmp_path: Path) -> None:
    last = train("ddpm", tmp_path, section=WIDTHS).folder.last
    write_average(last, 0.1, tmp_path / "one.ckpt")

    loaded, written = load_average(last, 0.1), load_module(tmp_path / "one.ckpt")

    assert stored_widths(last) == [0.05, 0.1]
    assert loaded.ema_width == written.ema_width == 0.1
    stored = averages_in(last)["0.1"]
    assert all(torch.equal(value, stored[name]) for name, value in loaded.named_parameters())
    assert all(torch.equal(*pair) for pair in zip(loaded.parameters(), written.parameters(), strict=True))
    assert (tmp_path / "one.ckpt").stat().st_size < last.stat().st_size / 3


def test_an_average_that_was_not_kept_is_refused_with_those_that_were(tmp_path: Path) -> None:
    last = train("ddpm", tmp_path, section=WIDTHS).folder.last

    with pytest.raises(CheckpointError, match=r"no average of width 0\.2; allowed: 0\.05, 0\.1"):
        load_average(last, 0.2)


def test_networks_that_do_not_learn_have_no_average(tmp_path: Path) -> None:
    module = train("latent_diffusion", tmp_path, section=WIDTHS).folder.last

    assert {name.partition(".")[0] for name in averages_in(module)["0.1"]} == {"process", "scale"}


def test_the_plan_says_what_they_take() -> None:
    module = tiny_module(tiny_config("ddpm", {}, **WIDTHS), tiny_spec(2))
    size = sum(4 * value.numel() for value in module.state_dict().values() if value.is_floating_point())

    (told,) = describe_memory(module)

    assert f"width 0.05 and 0.1 take {2 * size / 1e6:,.1f} MB" in told
    assert describe_memory(tiny_module(tiny_config("ddpm", {}), tiny_spec(2))) == []
