"""A trial of a few steps leaves nothing behind and sees every part of a training."""

from pathlib import Path
from typing import Any

import pytest
from tests.factories import facts_of
from tests.runs import tiny_config

from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.training import speed
from gandlf_synth.training.speed import measure_cost


def trial(family: str, **section: Any) -> Any:
    config = tiny_config(family, {}, tensor_shape=[8, 8], labeling_paradigm="custom", **section)
    config = config.model_copy(update={"modality": "rad"})
    rows = tuple(Sample(row, f"s{row}", (Path("a.png"),), row % 2, f"class {row % 2}") for row in range(1, 7))
    return measure_cost(config, facts_of((8, 8)), Manifest(Path("data.csv"), rows, "each row"))


@pytest.mark.parametrize(
    ("family", "section", "parts"),
    [("ddpm", {}, 1), ("dcgan", {}, 1), ("vqvae", {"prior_fraction": 0.5}, 2), ("stylegan", {}, 2)],
)
def test_every_part_of_a_training_is_measured(family: str, section: dict[str, Any], parts: int) -> None:
    (stage,) = trial(family, **section).stages

    assert len(stage.stretches) == parts
    assert all(part.seconds_per_step > 0 for part in stage.stretches)
    assert stage.parameters > 0


def test_both_stages_of_latent_diffusion_are_measured() -> None:
    first, second = trial("latent_diffusion").stages

    assert (first.name, second.name) == ("autoencoder_kl", "latent_diffusion")
    assert first.share + second.share == 1


def test_a_step_of_the_optimizer_takes_all_batches_that_it_adds_up() -> None:
    (stage,) = trial("dcgan", accumulate_grad_batches=3).stages

    assert stage.batch_size == 3 * 4


@pytest.mark.parametrize("family", ["ddpm", "stylegan2"])
def test_steps_that_other_work_holds_up_do_not_count(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10_000))

    def now() -> float:  # a step takes a tenth of a second, every third one eleven more
        tick = next(ticks)
        return 0.1 * tick + 11.0 * ((tick + 2) // 3)

    monkeypatch.setattr(speed, "_now", now)
    (stage,) = trial(family).stages

    assert stage.stretches[0].seconds_per_step == pytest.approx(0.1, rel=2 if family == "stylegan2" else 0.01)
