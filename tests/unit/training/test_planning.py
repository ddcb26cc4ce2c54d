"""Automatic choices fit the data and the device."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.factories import facts_of
from tests.runs import tiny_config, tiny_module, tiny_spec

from gandlf_synth.config import ComputeConfig, parse_document, validate
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.inspection.units import Units
from gandlf_synth.data.processing.pipeline import make_transform
from gandlf_synth.data.table.manifest import Manifest, Sample
from gandlf_synth.errors import ConfigError, ResourceError
from gandlf_synth.geometry import Geometry
from gandlf_synth.training.defaults import (
    Device,
    choose_batch_for_steps,
    choose_batch_size,
    choose_grid_interval,
    choose_normalization,
    choose_precision,
    choose_resizing,
    choose_shape,
)
from gandlf_synth.training.plan import Plan, make_plan
from gandlf_synth.training.strategy import check_compute, check_splits, strategy_for, trains_several

CPU, GPU = Device("cpu", 8 * 2**30, False), Device("gpu", 24 * 2**30, True)


@pytest.mark.parametrize(
    ("data", "device", "shape"),
    [
        (facts_of((224, 224)), CPU, [64, 64]),
        (facts_of((512, 256)), CPU, [64, 32]),
        (facts_of((28, 28)), CPU, [28, 28]),
        (facts_of((33, 17), physical=False), CPU, [33, 17]),
        (facts_of((28, 28), spacing=()), CPU, [28, 28]),
        (facts_of((5, 40)), CPU, [8, 40]),
        (facts_of((35, 51, 35), largest_shape=(43, 59, 47)), GPU, [43, 59, 47]),
        (facts_of((90, 90, 12), (180.0, 180.0, 60.0)), GPU, [90, 90, 12]),
        (facts_of((1024, 1024)), GPU, [256, 256]),
        (facts_of((35, 51, 35), (43.0, 59.0, 47.0)), CPU, [24, 32, 32]),
        (facts_of((240, 240, 155)), GPU, [96, 96, 64]),
    ],
)
def test_shape_keeps_proportions_and_fits_the_device(data: Fingerprint, device: Device, shape: list[int]) -> None:
    assert choose_shape(data, device).value == shape


def test_volumes_share_a_voxel_size_at_which_the_largest_fits() -> None:
    steps = choose_resizing(facts_of((35, 51, 35), (48.0, 64.0, 32.0)), [24, 32, 32]).value

    assert [step.name for step in steps] == ["to_canonical", "resample", "crop_or_pad"]
    assert steps[1].parameters["resolution"] == [2.0, 2.0, 1.0]


@pytest.mark.parametrize("shape", [(28, 28), (33, 17), (43, 59, 47), (5, 40)])
def test_images_that_a_device_takes_whole_keep_their_own_voxels(shape: tuple[int, ...]) -> None:
    facts = facts_of(shape, physical=len(shape) == 3, orientations=())
    rng = np.random.default_rng(0)
    image = Image.from_file_values(rng.random((1, *shape)), Geometry(shape))

    seen = choose_shape(facts, GPU).value
    (step,) = choose_resizing(facts, seen).value
    prepared = make_transform(step)(image)

    assert list(prepared.geometry.shape) == seen
    margins = [(new - old) // 2 for new, old in zip(seen, shape, strict=True)]
    inside = tuple(slice(low, low + size) for low, size in zip(margins, shape, strict=True))
    assert np.array_equal(prepared.array[0][inside], image.array[0])


@pytest.mark.parametrize(
    ("same_aspect", "shape", "step"),
    [(True, [80, 64], "resize"), (False, [80, 64], "resize_and_pad"), (True, [64, 64], "resize_and_pad")],
)
def test_pictures_are_not_distorted(same_aspect: bool, shape: list[int], step: str) -> None:
    steps = choose_resizing(facts_of((100, 80), physical=False, orientations=(), same_aspect=same_aspect), shape).value

    assert [s.name for s in steps] == [step]


def test_eight_bit_pictures_use_their_whole_range_and_scans_their_own() -> None:
    (picture,) = choose_normalization(facts_of((8, 8), units=(Units("full_scale", "8-bit pictures", 255),))).value
    (scan,) = choose_normalization(facts_of((8, 8, 8))).value

    assert picture.parameters == {"in_min_max": [0.0, 255.0], "out_min_max": [-1.0, 1.0]}
    assert scan.parameters["percentiles"] == [0.5, 99.5]


@pytest.mark.parametrize(
    ("shape", "samples", "device", "size"),
    [
        ([64, 64], 500, CPU, 16),
        ([32, 32, 32], 200, CPU, 2),
        ([64, 64], 5, CPU, 4),
        ([64, 64], 1, CPU, 1),
        ([256, 256], 9999, GPU, 32),
    ],
)
def test_batch_size(shape: list[int], samples: int, device: Device, size: int) -> None:
    assert choose_batch_size(shape, 1, samples, device).value == size


@pytest.mark.parametrize(
    ("shape", "samples", "size"), [([32, 32, 32], 200, 8), ([64, 64], 500, 16), ([32, 32, 32], 5, 4)]
)
def test_a_batch_that_a_family_cannot_learn_from_is_not_chosen(shape: list[int], samples: int, size: int) -> None:
    assert choose_batch_size(shape, 1, samples, CPU, smallest=8).value == size


@pytest.mark.parametrize(("samples", "size"), [(500, 4), (3, 2)])
def test_a_family_that_learns_by_many_steps_gets_small_batches(samples: int, size: int) -> None:
    for device in (CPU, GPU):
        assert choose_batch_size([64, 64], 1, samples, device, largest=4).value == size
        choice = choose_batch_for_steps([64, 64], samples, device, largest=4)
        assert choice.value == size
        assert "many steps" in choice.reason


@pytest.mark.parametrize(("epochs", "steps", "every"), [(100, 100, 10), (100, 2, 100), (100, 25, 20), (5, 10_000, 1)])
def test_sample_grids_cost_a_small_part_of_the_training(epochs: int, steps: int, every: int) -> None:
    assert choose_grid_interval(epochs, steps).value == every


def test_bfloat16_only_where_it_is_native() -> None:
    assert choose_precision(CPU).value == "32-true"
    assert choose_precision(GPU).value == "bf16-mixed"


@pytest.mark.parametrize("accelerator", ["gpu", "cuda"])
def test_devices_that_are_not_there_are_refused(accelerator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)

    check_compute(ComputeConfig(accelerator=accelerator))
    with pytest.raises(ResourceError, match=f"accelerator: {accelerator}: 4 asked for, 1 found"):
        check_compute(ComputeConfig(accelerator=accelerator, num_devices=4))


def test_ddp_takes_its_options_and_refuses_others() -> None:
    turns = strategy_for(ComputeConfig(strategy="ddp"), several_optimizers=True)
    static = strategy_for(ComputeConfig(strategy="ddp", strategy_config={"static_graph": True}))

    assert turns._ddp_kwargs["find_unused_parameters"] is True
    assert static._ddp_kwargs == {"find_unused_parameters": False, "static_graph": True}


@pytest.mark.parametrize(
    ("compute", "looks"),
    [({"accelerator": "cpu", "num_devices": 4}, True), ({"accelerator": "cpu", "num_devices": 2}, False)],
)
def test_processes_on_a_cpu_add_gradients_up_in_one_order_from_the_first_step_on(
    compute: dict[str, object], looks: bool
) -> None:
    assert (strategy_for(ComputeConfig.model_validate(compute)) == "ddp_find_unused_parameters_true") is looks


def test_deepspeed_does_not_train_networks_that_take_turns() -> None:
    with pytest.raises(ConfigError, match="this family has several; use strategy: fsdp or ddp"):
        check_compute(ComputeConfig(strategy="deepspeed"), several_optimizers=True)


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        ({"num_devices": 1}, "strategy: fsdp: shares the weights among processes, and there is one; set"),
        ({"strategy_config": {"data_parallel_size": 3}}, "strategy_config: 3 × 1 is 3, and 4 processes train; data_"),
        (
            {"strategy_config": {"tensor_parallel_size": 0}},
            "tensor_parallel_size: is 0; allowed: a whole number from 1",
        ),
        ({"strategy_config": {"stage": 2}}, "strategy_config.stage: is not a setting of fsdp; allowed: data_parallel_"),
        ({"precision": "16-mixed"}, "fsdp: does not go with compute.precision: 16-mixed; use bf16-mixed or 32-true"),
    ],
)
def test_settings_by_which_weights_cannot_be_shared_are_refused(compute: dict[str, object], message: str) -> None:
    written = {"accelerator": "cpu", "strategy": "fsdp", "num_devices": 4, **compute}

    with pytest.raises(ConfigError, match=message):
        check_compute(ComputeConfig.model_validate(written))


@pytest.mark.parametrize(
    ("sizes", "mesh"),
    [({}, (4, 1)), ({"tensor_parallel_size": 2}, (2, 2)), ({"data_parallel_size": 1}, (1, 4))],
)
def test_processes_share_all_weights_unless_they_split_layers(sizes: dict[str, int], mesh: tuple[int, int]) -> None:
    compute = ComputeConfig(accelerator="cpu", strategy="fsdp", num_devices=4, strategy_config=dict(sizes))

    strategy = strategy_for(compute, several_optimizers=True)

    assert (strategy._data_parallel_size, strategy._tensor_parallel_size) == mesh


def test_layers_that_cannot_be_split_are_named_before_the_run() -> None:
    module = tiny_module(tiny_config("dcgan", {}), tiny_spec(2))
    compute = ComputeConfig(
        accelerator="cpu", strategy="fsdp", num_devices=2, strategy_config={"tensor_parallel_size": 2}
    )

    with pytest.raises(ConfigError, match="tensor_parallel_size: 2: dcgan has no layers that 2 processes can split"):
        check_splits(compute, module)


def test_with_cuda_deepspeed_means_a_strategy_of_lightnings_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("deepspeed")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)

    made = strategy_for(ComputeConfig(strategy="deepspeed", strategy_config={"stage": 3}))

    assert type(made).__name__ == "ReadableDeepSpeedStrategy"


def test_deepspeed_without_cuda_is_refused_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gandlf_synth.training.strategy.find_spec", lambda _: object())
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    with pytest.raises(ResourceError, match="needs a CUDA device; use strategy: fsdp or ddp"):
        strategy_for(ComputeConfig(strategy="deepspeed"))


def test_deepspeed_with_fp16_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gandlf_synth.training.strategy.find_spec", lambda _: object())

    with pytest.raises(
        ConfigError, match=r"deepspeed: does not go with compute.precision: 16-mixed; use bf16-mixed or"
    ):
        strategy_for(ComputeConfig(strategy="deepspeed", precision="16-mixed"))


def test_an_architecture_that_decides_the_size_sets_the_written_one_aside() -> None:
    text = (
        "model_config: {model_name: stylegan, tensor_shape: [40, 40], architecture: {progressive_epochs: [9, 9, 9]}}\n"
        "data_preprocessing: {train: {resize: [32, 32]}}\nnum_epochs: 5\n"
    )
    document = parse_document(text, "config.yaml")
    samples = tuple(Sample(row, f"s{row}", (Path("a.png"),), None, None) for row in range(1, 9))
    train = Manifest(Path("data.csv"), samples, "each row")

    plan = make_plan(validate(document), facts_of((64, 64)), train, CPU)

    assert plan.config.model.tensor_shape == [16, 16]
    assert [step.name for step in plan.config.data_preprocessing.train][:2] == ["resize", "resize_and_pad"]
    assert "tensor_shape [40, 40] is not used: the architecture makes images of [16, 16]" in plan.notes
    assert any("num_epochs 5 ends in stage 0 of 0 to 2" in note for note in plan.notes)


def planned(text: str) -> Plan:
    document = parse_document(text, "config.yaml")
    samples = tuple(Sample(row, f"s{row}", (Path("a.png"),), None, None) for row in range(1, 9))
    return make_plan(validate(document), facts_of((64, 64)), Manifest(Path("data.csv"), samples, "each row"), GPU)


@pytest.mark.parametrize("written", ["{rescale: {in_min_max: [-1000, 1000]}}", "normalize", "{clip: {min: 0}}"])
def test_written_steps_that_only_change_values_leave_the_grid_to_be_chosen(written: str) -> None:
    text = f"model_config: {{model_name: ddpm, tensor_shape: [16, 16, 8]}}\ndata_preprocessing: [{written}]\n"
    train = Manifest(Path("data.csv"), (Sample(1, "s1", (Path("a.nii"),), None, None),), "each row")

    plan = make_plan(validate(parse_document(text, "config.yaml")), facts_of((40, 40, 20)), train, CPU)

    names = [step.name for step in plan.config.data_preprocessing.train or []]
    assert names[1:4] == ["to_canonical", "resample", "crop_or_pad"]


def test_a_pipeline_for_pictures_contradicts_volumes() -> None:
    text = "model_config: {model_name: ddpm}\ndata_preprocessing: {resize: [32, 32]}\n"
    train = Manifest(Path("data.csv"), (Sample(1, "s1", (Path("a.nii"),), None, None),), "each row")

    with pytest.raises(ConfigError, match=r"config.yaml:2: data_preprocessing: .*the size \[32, 32\].*3 dimensions"):
        make_plan(validate(parse_document(text, "config.yaml")), facts_of((40, 40, 40)), train, CPU)


def test_weights_that_deepspeed_has_are_neither_averaged_nor_sampled_from_in_training() -> None:
    plan = planned("model_config: {model_name: ddpm}\ncompute: {strategy: deepspeed}\n")

    assert plan.config.model.ema_decay == 0
    assert plan.config.model.save_eval_images_every_n_epochs == -1
    choice = next(each for each in plan.choices if each.key == "model_config.ema_decay")
    assert choice.reason == "deepspeed shares the weights out, and no process holds all of them"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("model_config.ema_decay", "model_config: {model_name: ddpm, ema_decay: 0.9}"),
        (
            "model_config.save_eval_images_every_n_epochs",
            "model_config: {model_name: ddpm, save_eval_images_every_n_epochs: 2}",
        ),
        ("sample_metrics_config", "model_config: {model_name: ddpm}\nsample_metrics_config: {every_n_epochs: 2}"),
    ],
)
def test_what_is_written_and_needs_all_weights_is_refused_where_they_are_shared_out(key: str, text: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"config.yaml:\d: {key}: needs all weights in one process, and compute.strategy: deepspeed"
    ):
        planned(f"{text}\ncompute: {{strategy: deepspeed}}\n")


@pytest.mark.parametrize("precision", ["16-true", "bf16-true", "64-true", "64", "transformer-engine"])
def test_weights_in_other_than_32_bits_are_refused(precision: str) -> None:
    with pytest.raises(
        ConfigError, match=f"compute.precision: {precision}: does not store the weights .* use bf16-mixed"
    ):
        check_compute(ComputeConfig(precision=precision))


@pytest.mark.parametrize(("family", "several"), [("ddpm", False), ("dcgan", True), ("latent_diffusion", True)])
def test_families_that_train_several_networks_are_known(family: str, several: bool) -> None:
    document = parse_document(f"model_config: {{model_name: {family}}}", "config.yaml")

    assert trains_several(validate(document).config.model) is several


@pytest.mark.parametrize("family", ["pix2pix", "ddpm"])
def test_rows_that_are_no_pairs_are_refused_where_a_model_learns_from_pairs(family: str) -> None:
    text = f"model_config: {{model_name: {family}, conditioning: [image]}}"
    samples = (Sample(1, "a", (Path("t.nii"),), sources=(None,)), Sample(2, "b", (), sources=(Path("s.nii"),)))
    data = replace(facts_of((16, 16)), source_channels=(1,), source_names=("source",))

    with pytest.raises(ConfigError, match=r"c\.yaml:1: .*no row of data\.csv has both .* use model_name: cyclegan"):
        make_plan(validate(parse_document(text, "c.yaml")), data, Manifest(Path("data.csv"), samples, "each row"), CPU)


@pytest.mark.parametrize(
    ("shape", "device", "seen", "patches", "sizes"),
    [
        ((53, 60), CPU, [56, 64], False, ["to_canonical", {"crop_or_pad": [56, 64]}]),
        ((91, 109), CPU, [64, 64], True, []),
        ((512, 300), CPU, [64, 64], True, []),
        ((240, 240, 155), GPU, [96, 96, 96], True, []),
        ((240, 240, 20), CPU, [32, 32, 16], True, []),
    ],
)
def test_images_made_of_images_keep_their_own_voxels(
    shape: tuple[int, ...], device: Device, seen: list[int], patches: bool, sizes: list[object]
) -> None:
    data = replace(
        facts_of(shape), source_channels=(1,), source_names=("source",), source_units=(Units("arbitrary", ""),)
    )
    document = parse_document("model_config: {model_name: pix2pix, conditioning: [image]}", "config.yaml")
    pair = Sample(1, "a", (Path("a.nii"),), sources=(Path("b.nii"),))

    plan = make_plan(validate(document), data, Manifest(Path("data.csv"), (pair,), "each row"), device)

    assert plan.config.model.tensor_shape == seen
    assert (plan.config.patch_sampler is not None) is patches
    steps = plan.config.data_preprocessing.model_dump(mode="json")["train"]
    assert [step for step in steps if "rescale" not in step] == sizes


@pytest.mark.parametrize(
    ("conditioning", "shape", "seen", "patches"),
    [
        ("image", (91, 109), [64, 64], True),
        ("region", (91, 109), [64, 64], True),
        ("mask", (53, 60), [56, 64], False),
        ("mask", (91, 109), [56, 64], False),
    ],
)
def test_denoisers_see_the_voxels_of_what_they_start_from_or_say_how_much_coarser_they_are(
    conditioning: str, shape: tuple[int, ...], seen: list[int], patches: bool
) -> None:
    data = replace(facts_of(shape), mask_labels=(0, 1))
    if conditioning == "image":
        units = (Units("arbitrary", ""),)
        data = replace(data, source_channels=(1,), source_names=("source",), source_units=units)
    row = Sample(1, "a", (Path("a.nii"),), sources=(Path("b.nii"),), mask=Path("m.nii"), region=Path("r.nii"))
    text = f"model_config: {{model_name: ddpm, conditioning: [{conditioning}]}}"

    plan = make_plan(validate(parse_document(text, "c.yaml")), data, Manifest(Path("d.csv"), (row,), "each row"), CPU)

    assert plan.config.model.tensor_shape == seen
    assert (plan.config.patch_sampler is not None) is patches
    coarser = not patches and max(shape) > 64
    assert ("up to 1.7 times coarser" in plan.reason("model_config.tensor_shape")) is coarser


def test_a_written_size_is_kept_where_images_are_made_of_images() -> None:
    data = replace(
        facts_of((512, 512)), source_channels=(1,), source_names=("source",), source_units=(Units("arbitrary", ""),)
    )
    text = "model_config: {model_name: pix2pix, conditioning: [image], tensor_shape: [64, 64]}"
    pair = Sample(1, "a", (Path("a.nii"),), sources=(Path("b.nii"),))

    plan = make_plan(
        validate(parse_document(text, "config.yaml")), data, Manifest(Path("data.csv"), (pair,), "each row"), CPU
    )

    assert (plan.config.model.tensor_shape, plan.config.patch_sampler) == ([64, 64], None)
