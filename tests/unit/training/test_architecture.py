"""Networks grow with data, device and time: enough steps come first."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.factories import facts_of

from gandlf_synth.config import Config, Size, parse_document, validate
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import ConfigError, Problem, ResourceError
from gandlf_synth.training.architecture import Budget, size_for_steps, size_for_time
from gandlf_synth.training.cost import Cost, StageCost, StretchCost
from gandlf_synth.training.defaults import Device
from gandlf_synth.training.plan import Plan, make_plan
from gandlf_synth.training.request import TrainingRequest, read_configuration

CPU, GPU = Device("cpu", 8 * 2**30, False), Device("gpu", 24 * 2**30, True)
ENOUGH: Mapping[Size, int] = {"S": 1_500, "M": 4_000, "L": 15_000, "XL": 50_000}


def cost_of(seconds: float, memory_mb: float = 500.0, batch: int = 8) -> Cost:
    return Cost((StageCost("ddpm", 1.0, batch, (StretchCost(1.0, seconds),), 0.1, 1_000, memory_mb),))


def plan_of(text: str, budget: Budget, device: Device = CPU, samples: int = 200) -> Plan:
    rows = tuple(Sample(row, f"s{row}", (Path("a.png"),), None, None) for row in range(1, samples + 1))
    train = Manifest(Path("data.csv"), rows, "each row")
    return make_plan(validate(parse_document(text, "c.yaml")), facts_of((64, 64)), train, device, budget)


@pytest.mark.parametrize(
    ("seconds", "size"), [(3, "XS"), (120, "XS"), (500, "S"), (3_000, "M"), (20_000, "L"), (10**6, "XL")]
)
def test_more_time_makes_wider_networks(seconds: float, size: str) -> None:
    costs = {"XS": 0.1, "S": 0.2, "M": 0.5, "L": 1.0, "XL": 2.0}

    assert size_for_time(seconds, ENOUGH, lambda each: cost_of(costs[each])).size == size


def test_networks_for_which_there_is_no_time_are_not_tried() -> None:
    tried: list[Size] = []

    def measure(size: Size) -> Cost:
        tried.append(size)
        return cost_of(1.0)

    choice = size_for_time(200, ENOUGH, measure)

    assert tried == ["XS", "XS"]
    assert choice.reason == "XS: measured here, in 3.3 minutes XS takes 200 steps; S needs 1,500 to be better"


@pytest.mark.parametrize(
    ("slow_trials", "size"), [([], "S"), ([1], "S"), ([2], "S"), ([1, 3], "S"), ([1, 2], "XS"), ([2, 3], "XS")]
)
def test_a_trial_that_other_work_held_up_does_not_choose_the_networks(slow_trials: list[int], size: str) -> None:
    trials: list[int] = []

    def measure(config: Config) -> Cost:
        trials.append(len(trials) + 1)
        return cost_of(100 if trials[-1] in slow_trials else 0.1)

    choice = plan_of("model_config: {model_name: ddpm}", Budget(240, measure)).reason("model_config.architecture")

    assert choice.startswith(f"{size}: measured here")


def test_trials_that_take_long_leave_most_of_the_time_to_the_run() -> None:
    now = [0.0]

    def measure(size: Size) -> Cost:
        now[0] += 25.0
        return cost_of(0.001)

    choice = size_for_time(240, ENOUGH, measure, clock=lambda: now[0])

    assert now[0] == 50.0
    assert choice.reason.startswith("S: measured here")
    assert choice.reason.endswith("; no time for trials of wider ones")


def test_a_run_of_seconds_has_no_time_for_second_trials() -> None:
    trials: list[Config] = []

    def measure(config: Config) -> Cost:
        trials.append(config)
        return cost_of(1.0)

    plan_of("model_config: {model_name: ddpm}", Budget(30, measure))

    assert len(trials) == 1


def test_networks_of_two_stages_need_steps_for_both() -> None:
    stages = tuple(StageCost("", share, 8, (StretchCost(1.0, own),), 0, 1, 1) for share, own in [(0.4, 0.1), (0.6, 1)])

    assert Cost(stages).fewest_steps(1_000) == 600


@pytest.mark.parametrize(("steps", "on_gpu", "size"), [(100, True, "XS"), (2_000, True, "S"), (10**6, False, "S")])
def test_without_a_limit_of_time_the_steps_decide(steps: int, on_gpu: bool, size: str) -> None:
    assert size_for_steps(steps, ENOUGH, on_gpu=on_gpu, dims=2).size == size


def test_nothing_is_tried_where_the_architecture_is_written() -> None:
    def measure(config: Config) -> Cost:
        raise AssertionError("tried")

    text = "model_config: {model_name: dcgan, architecture: {latent_vector_size: 7}}"
    plan = plan_of(text, Budget(60, measure))

    assert plan.config.model.architecture.latent_vector_size == 7
    assert not plan.reason("model_config.architecture")


def test_a_resolved_configuration_is_planned_again_as_it_is() -> None:
    from gandlf_synth.training.record import resolved_yaml

    first = plan_of("model_config: {model_name: latent_diffusion}", Budget(600, lambda _: cost_of(0.2)))
    again = plan_of(resolved_yaml(first), Budget(600, lambda _: cost_of(0.001)))

    assert again.config == first.config
    assert again.choices == []


def test_the_clock_ends_a_run_whose_epochs_are_not_written() -> None:
    text = "model_config: {model_name: ddpm}\n"
    budget = Budget(600, lambda _: cost_of(0.2))

    assert plan_of(text, budget).config.num_epochs > 10_000
    assert plan_of(text + "num_epochs: 7\n", budget).config.num_epochs == 7
    assert plan_of(text, Budget()).config.num_epochs == 100


@pytest.mark.parametrize("text", ["num_epochs: 7", "model_config: {architecture: XS}", ""])
def test_grids_come_by_the_clock_where_it_ends_the_run(text: str) -> None:
    text = text if "model_config" in text else f"model_config: {{model_name: ddpm}}\n{text}"
    text = text.replace("{architecture", "{model_name: ddpm, architecture")

    assert plan_of(text, Budget(60, lambda _: cost_of(2.0))).config.model.save_eval_images_every_n_epochs == "tenth"
    assert plan_of(text, Budget()).config.model.save_eval_images_every_n_epochs != "tenth"


def test_batches_are_as_large_as_the_measured_memory_allows() -> None:
    def measure(config: Config) -> Cost:
        memory = 2_000 + 1_000 * int(config.batch_size)
        if memory > 24 * 1024:
            raise ResourceError(Problem("training", "ran out of memory"))
        return cost_of(0.1, memory)

    plan = plan_of("model_config: {model_name: ddpm}", Budget(600, measure), GPU)

    assert plan.config.batch_size == 16
    assert plan.reason("batch_size") == "measured: takes 18,000 of 24,576 MiB of the GPU's memory"


def test_the_smallest_batch_of_a_family_is_kept_by_adding_up_gradients() -> None:
    plan = plan_of("model_config: {model_name: dcgan}", Budget(600, lambda c: cost_of(0.1, 9_000 * c.batch_size)), GPU)

    assert (plan.config.batch_size, plan.config.model.accumulate_grad_batches) == (2, 4)


def test_stages_have_batches_of_their_own() -> None:
    model = plan_of("model_config: {model_name: latent_diffusion}\nbatch_size: 6\n", Budget()).config.model
    first = model.prerequisite()

    assert first is not None
    assert first.batch_size == 6


@pytest.mark.parametrize(("shape", "seen"), [((64, 32), [64, 32]), ((33, 17), [33, 17]), ((40, 100), [32, 64])])
def test_pictures_of_stylegan_keep_their_proportions(shape: tuple[int, int], seen: list[int]) -> None:
    rows = tuple(Sample(row, f"s{row}", (Path("a.png"),), None, None) for row in range(1, 9))
    document = parse_document("model_config: {model_name: stylegan}", "c.yaml")
    plan = make_plan(
        validate(document), facts_of(shape, physical=False), Manifest(Path("d.csv"), rows, "each row"), CPU
    )

    assert plan.config.model.tensor_shape == seen
    assert plan.config.model.architecture.final_size >= max(seen)


def test_a_run_without_an_end_is_refused(tmp_path: Path) -> None:
    document = parse_document("model_config: {model_name: ddpm}\nnum_epochs: 100000\n", "c.yaml")

    with pytest.raises(ConfigError, match=r"c.yaml:2: num_epochs: is 100,000, which means until the time is over"):
        read_configuration(TrainingRequest(document, tmp_path / "data.csv", tmp_path))
    assert read_configuration(TrainingRequest(document, tmp_path / "data.csv", tmp_path, seconds=60.0))
