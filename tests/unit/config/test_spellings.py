"""A key has one meaning under each of its names, also where documents are laid over each other."""

import json
from typing import Any

import pytest

from gandlf_synth.config import laid_over, overridden, parse_document, validate
from gandlf_synth.config.spellings import OTHER_NAMES
from gandlf_synth.errors import ConfigError

PIPELINES = {
    "data_preprocessing": "{normalize: }", "data_augmentation": "{flip: }", "data_postprocessing": "{fill_holes: }"
}  # fmt: skip
FORMS = [
    "model_config: {model_name: dcgan, n_fixed_images_batch_size: 2}",
    "model: {model_name: dcgan}",
    "model_config: {model_name: dcgan, schedulers: {type: step, gamma: 0.5}}",
    "model_config: {model_name: dcgan, schedulers: {generator: {type: step, step_size: 3}, discriminator: {type: wcs}}}",
    "model_config: {model_name: dcgan, optimizers: [{name: adam}, {lr: 0.01}]}",
    "model_config: {model_name: dcgan, optimizers: {generator: adam, discriminator: {sgd: {lr: 0.1}}}}",
    "model_config: {model_name: ddpm, losses: l1, optimizers: adam}",
    "model_config: {model_name: dcgan}\ndata_augmentations: {train: {flip: {axis: 0}}}",
    "model_config: {model_name: dcgan}\ndata_preprocessing: {resize: [8, 8], normalize_nonZero: }",
    "model_config: {model_name: dcgan}\ndata_preprocessing: [to_canonical, {resize: [8, 8]}]",
    "model_config: {model_name: dcgan}\ndata_preprocessing:\ndata_augmentation:\ncompute:\ninference_parameters:",
    "model_config: {model_name: dcgan}\ndataloader_config: {validation: {num_workers: 2}, infer: {pin_memory: true}}",
    "model_config: {model_name: ddpm}\nsample_metrics_config: 5\ncompute: {precision: 32}\ncache_size: 20",
    "model_config: {model_name: ddpm, tensor_shape: [8, 8]}\npatch_sampler: uniform",
    "model_config: {model_name: vqvae}\nmetrics: structural_similarity_index",
    "model_config: {model_name: vqvae}\nmetrics: {mean_squared_error: , ncc_mean: }",
    "model_config: {model_name: dcgan}\ninference_parameters: {n_images_to_generate: {glioma: 3, none: 1}}",
    *(f"model_config: {{model_name: dcgan}}\n{section}: {{{phase}: {steps}}}"
      for section, steps in PIPELINES.items() for phase in ("validation", "infer")),
]  # fmt: skip


def config(text: str) -> Any:
    return validate(parse_document(text, "c.yaml")).config


def as_resolved(config: Any) -> Any:
    """The configuration as it is read back from the model folder."""
    return validate(parse_document(json.dumps(config.model_dump(mode="json", by_alias=True, exclude_none=True)), "r"))


@pytest.mark.parametrize("text", FORMS)
def test_a_run_goes_on_with_the_document_that_it_began_with(text: str) -> None:
    began = config(text)
    earlier = as_resolved(began).config

    assert laid_over(earlier, config(text)) == earlier
    assert earlier.model_dump() == began.model_dump()


@pytest.mark.parametrize("path", OTHER_NAMES, ids=".".join)  # type: ignore[arg-type, unused-ignore]
def test_a_key_under_both_of_its_names_is_refused(path: tuple[str, ...]) -> None:
    value: Any = {path[-1]: {"model_name": "dcgan"}, OTHER_NAMES[path]: {"model_name": "dcgan"}}
    for key in reversed(path[:-1]):
        value = {key: value}

    with pytest.raises(ConfigError, match=f"{path[-1]}: is another name of {OTHER_NAMES[path]}, which is written too"):
        config(json.dumps(value))


def test_parameters_of_one_component_are_not_given_to_another() -> None:
    earlier = config("model_config: {model_name: ddpm, optimizers: {name: adam, lr: 0.01, weight_decay: 0.1}}")
    later = config("model_config: {model_name: ddpm, optimizers: {name: adam, lr: 0.001}}")

    assert laid_over(earlier, later).model.optimizers.parameters == {"lr": 0.001}


def test_what_is_left_open_stays_and_sections_are_joined() -> None:
    earlier = config("model_config: {model_name: ddpm, tensor_shape: [8, 8]}\ncompute: {precision: 32, num_devices: 1}")
    later = config("model_config: {model_name: ddpm, tensor_shape: auto}\ncompute: {accelerator: cpu}\nnum_epochs: 7")

    both = laid_over(earlier, later)

    assert (both.model.tensor_shape, both.num_epochs) == ([8, 8], 7)
    assert (both.compute.precision, both.compute.num_devices, both.compute.accelerator) == ("32", 1, "cpu")


@pytest.mark.parametrize(
    ("written", "assignment", "found"),
    [
        ("dataloader_config: {validation: {num_workers: 2}}", "dataloader_config.val.pin_memory=true", {"num_workers": 2, "pin_memory": True}),
        ("dataloader_config: {val: {num_workers: 2}}", "dataloader_config.validation.num_workers=3", {"num_workers": 3}),
    ],
)  # fmt: skip
def test_an_assignment_reaches_a_key_under_either_name(written: str, assignment: str, found: dict[str, Any]) -> None:
    document = overridden(parse_document(written, "c.yaml"), [assignment])

    assert document.content == {"dataloader_config": {"val": found}}


def test_an_assigned_type_replaces_a_name() -> None:
    document = overridden(
        parse_document("model_config: {schedulers: {name: step}}", "c.yaml"), ["model_config.schedulers.type=wcs"]
    )

    assert document.content["model_config"]["schedulers"] == {"name": "wcs"}
