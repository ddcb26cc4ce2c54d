"""Weights find their places by name and shape, classes by name, and new conditions change nothing at first."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from gandlf_synth.config import InitFrom, Step
from gandlf_synth.data.loading.condition import Condition
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.errors import CheckpointError, ConfigError
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.build import build_module
from gandlf_synth.models.components.denoising import DenoisingModule
from gandlf_synth.networks.lora import is_change
from gandlf_synth.pretrained.class_rows import rows_by_class
from gandlf_synth.pretrained.parent import Parent
from gandlf_synth.pretrained.start import start_from
from gandlf_synth.pretrained.terms import Terms
from gandlf_synth.testing import synthetic_condition, synthetic_spec, with_conditions

UNET = {
    "num_channels": [8, 8], "attention_levels": [False, True], "num_res_blocks": 1, "norm_num_groups": 4,
    "num_head_channels": 4, "num_train_timesteps": 20,
}  # fmt: skip


def classes_of(*names: str) -> DataSpec:
    spec = synthetic_spec((8, 8), 1, "custom" if names else "unlabeled")
    return spec.model_copy(update={"labels": tuple(range(len(names))), "class_names": names})


def conditioned(*conditions: str, spec: DataSpec | None = None) -> DataSpec:
    steps = [Step(name=name, parameters={"drop_fraction": 0.1}) for name in conditions]
    return with_conditions(spec or classes_of(), steps)


def model(spec: DataSpec, family: str = "ddpm", **section: Any) -> GenerativeModule:
    torch.manual_seed(0)
    module = build_module({"model_name": family, "architecture": UNET, **section}, spec)
    for weight in module.parameters():  # trained ones are not zero
        torch.nn.init.normal_(weight, std=0.2)
    return module.eval()


def parent_of(module: GenerativeModule, **start: Any) -> Parent:
    return Parent(
        InitFrom(path="models/parent", **start), "gandlf-synth", module.state_dict(), {}, (), module.spec, None, None,
        Terms(), "0" * 16,
    )  # fmt: skip


def prediction(module: GenerativeModule, class_index: int | None = None, **inputs: torch.Tensor) -> torch.Tensor:
    assert isinstance(module, DenoisingModule)
    rng = torch.Generator().manual_seed(1)
    noisy, timesteps = torch.randn(2, 1, 8, 8, generator=rng), torch.tensor([2, 15])
    labels = {} if class_index is None else {"class_labels": torch.full((2,), class_index)}
    with torch.no_grad():
        output: torch.Tensor = module.process.denoiser(noisy, timesteps, **labels, **inputs)
    return output


def test_classes_are_matched_by_name_wherever_they_stand() -> None:
    before = model(classes_of("glioma", "healthy"))
    after = model(classes_of("healthy", "meningioma", "glioma"))

    start = start_from(parent_of(before), after)

    assert torch.allclose(prediction(after, 0), prediction(before, 1))
    assert torch.allclose(prediction(after, 2), prediction(before, 0))
    assert torch.allclose(prediction(after), prediction(before))
    assert torch.allclose(prediction(after, 1), prediction(before)), "a new class starts like no class"
    assert "classes, matched by name: known: healthy, glioma; new: meningioma" in "\n".join(start.lines)


def test_classes_of_equal_number_do_not_take_each_others_place() -> None:
    before, after = model(classes_of("glioma", "healthy")), model(classes_of("healthy", "glioma"))
    start_from(parent_of(before), after)
    assert torch.allclose(prediction(after, 0), prediction(before, 1))


@pytest.mark.parametrize("conditions", [("image",), ("mask", "image"), ("spacing",), ("image", "spacing")])
def test_an_unconditional_model_becomes_a_conditional_one_with_the_same_first_output(
    conditions: tuple[str, ...],
) -> None:
    before = model(classes_of())
    spec = conditioned(*conditions, spec=classes_of("glioma", "healthy"))
    after = model(spec)

    start = start_from(parent_of(before), after)

    condition = synthetic_condition(spec, 2).inputs()
    assert torch.allclose(prediction(after, **condition), prediction(before), atol=1e-6)
    if "image" in conditions:
        assert "inputs that the parent lacks begin at zero: process.denoiser.unet.conv_in.conv.weight" in "\n".join(
            start.lines
        )


def test_a_condition_more_keeps_what_the_others_mean() -> None:
    one, two = conditioned("mask"), conditioned("mask", "image")
    before, after = model(one), model(two)
    start_from(parent_of(before), after)
    mask = synthetic_condition(two, 2)["mask"]
    given = Condition({"mask": mask, "image": torch.randn(2, 2, 8, 8)}).inputs()
    only = Condition({"mask": mask}).inputs()
    assert torch.allclose(prediction(after, **given), prediction(before, **only), atol=1e-6)


def test_conditions_of_another_meaning_are_refused() -> None:
    before, after = model(conditioned("mask")), model(conditioned("image", "mask"))
    with pytest.raises(CheckpointError, match=r"conditioned on images in the order mask \(.\), and conditioning gives"):
        start_from(parent_of(before), after)


def test_another_architecture_is_refused_with_both_sizes() -> None:
    before, after = model(classes_of()), model(classes_of(), architecture={**UNET, "num_channels": [8, 16]})
    with pytest.raises(CheckpointError) as error:
        start_from(parent_of(before), after)
    assert "init_from parent: has another architecture: " in str(error.value)
    assert " is 8 there and 16 here" in str(error.value)


def test_what_is_left_over_is_an_error_unless_partial_allows_it() -> None:
    before, after = model(conditioned("spacing")), model(classes_of())
    with pytest.raises(
        CheckpointError,
        match=r"has 4 weights that this model has no place for: process\.denoiser\.unet\.class_embedding",
    ):
        start_from(parent_of(before), after)
    start = start_from(parent_of(before, partial=True), after)
    assert (start.record["left_over"], start.record["new"]) == (4, 0)


def test_other_dimensions_and_channels_are_named() -> None:
    before = model(classes_of())
    with pytest.raises(CheckpointError, match="images of 2 dimensions, and these have 3"):
        start_from(parent_of(before), model(synthetic_spec((8, 8, 8), 1, "unlabeled")))
    with pytest.raises(CheckpointError, match="images of 1 channel, and these have 2"):
        start_from(parent_of(before), model(synthetic_spec((8, 8), 2, "unlabeled")))


def test_lora_loads_the_weights_below_its_changes_and_learns_what_is_new() -> None:
    before, after = model(classes_of("a")), model(classes_of("a", "b"), lora={"rank": 2})
    for name, weight in after.named_parameters():
        if is_change(name) and name.endswith("up"):
            torch.nn.init.zeros_(weight)

    start_from(parent_of(before), after)

    assert torch.allclose(prediction(after, 0), prediction(before, 0), atol=1e-6)
    assert after.config.lora is not None
    assert after.config.lora.learned_whole == ["process.denoiser.unet.class_embedding.weight"]
    learned = {name for name, weight in after.named_parameters() if weight.requires_grad}
    assert all(is_change(name) or "class_embedding" in name for name in learned)


def test_a_frozen_part_that_the_parent_lacks_is_refused() -> None:
    before = model(classes_of())
    after = model(conditioned("spacing"), freeze=["class_embedding"])
    with pytest.raises(
        ConfigError,
        match=r"model_config\.freeze: would freeze 4 weights at their random start, which init_from does not give",
    ):
        start_from(parent_of(before), after)


def test_rows_of_tables_with_other_rows_before_them() -> None:
    theirs, own = torch.tensor([5.0, 1.0, 2.0]), torch.zeros(3)
    rows = rows_by_class(theirs, own, 1, ["a", "b"], ["b", "c"])
    assert rows is not None
    assert rows.tolist() == [5.0, 2.0, 1.5]


def test_a_table_of_unknown_classes_is_left_over() -> None:
    parent = replace(parent_of(model(classes_of("a", "b"))), spec=None)
    with pytest.raises(CheckpointError, match=r"has no place for: process\.denoiser\.unet\.class_embedding\.weight"):
        start_from(parent, model(classes_of("a", "b")))


def test_a_model_without_fitting_weights_is_refused() -> None:
    other: Mapping[str, torch.Tensor] = {"something.weight": torch.zeros(2, 2)}
    with pytest.raises(CheckpointError, match="has no weight of a name and size that this model has"):
        start_from(replace(parent_of(model(classes_of())), weights=other), model(classes_of()))
