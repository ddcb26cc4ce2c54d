"""What a run is said to take is what it takes: steps, images, and the time of all that is not learning."""

from pathlib import Path

import pytest
from tests.factories import facts_of

from gandlf_synth.config import parse_document, validate
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.training.architecture import Budget
from gandlf_synth.training.cost import Cost, StageCost, StretchCost
from gandlf_synth.training.defaults import Device
from gandlf_synth.training.expectation import Expectation, expect, too_few_steps
from gandlf_synth.training.plan import PlannedRun, make_plan


def table(count: int) -> Manifest:
    rows = tuple(Sample(row, f"s{row}", (Path("a.png"),), None, None) for row in range(1, count + 1))
    return Manifest(Path("data.csv"), rows, "each row")


def expected(
    text: str, seconds: float | None, *, train: int = 100, batch: int = 8, image: float = 0.0, **splits: int
) -> Expectation:
    loaded = validate(parse_document(text, "c.yaml"))
    facts = facts_of((28, 28))
    plan = make_plan(loaded, facts, table(train), Device("cpu", 2**33, False), Budget(seconds))
    tables = {"train": table(train), **{phase: table(count) for phase, count in splits.items()}}
    run = PlannedRun(plan, loaded.document, tables, {}, facts, Path())
    return expect(run, Cost((StageCost("ddpm", 1.0, batch, (StretchCost(1.0, 0.1),), image, 1_000, 600.0),)), seconds)


@pytest.mark.parametrize(("batch", "steps"), [(64, 3), (8, 6), (5, 9)])
def test_an_epoch_sees_each_image_once_however_large_batches_are(batch: int, steps: int) -> None:
    run = expected("{num_epochs: 3, model_config: {model_name: ddpm}}", None, train=12, batch=batch)

    assert (run.steps, run.images) == (steps, 36)


def test_a_run_that_the_clock_ends_takes_fewer_steps_for_validation_test_and_grids() -> None:
    text = "model_config: {model_name: ddpm, n_fixed_images_to_generate: 8}"

    assert expected(text, 100.0).steps == 1_000
    assert expected(text, 100.0, train=800, val=200).steps == 909  # 0.4 of a step for a batch: a tenth
    assert expected(text, 100.0, test=800).steps == 960
    assert expected(text, 100.0, image=0.05).steps == 960
    assert expected(text, 100.0, image=5.0).steps == 800  # grids take a fifth at most


def test_time_for_hardly_any_steps_is_told() -> None:
    run = expected("model_config: {model_name: ddpm}", 1.0)

    assert too_few_steps(run, 1.0, 59.0) == [
        "about 10 steps fit into the time: images will be noise; give more minutes (preparation took 59 seconds)"
    ]
    assert too_few_steps(expected("model_config: {model_name: ddpm}", 60.0), 60.0) == []
    assert too_few_steps(run, None) == []
