"""What a YAML may say, and what is said of one that is wrong."""

from pathlib import Path
from typing import Any

import pytest

from gandlf_synth.config import ByNetwork, Component, load_config, parse_document, validate
from gandlf_synth.errors import ConfigError

SMALLEST = "model_config: {model_name: ddpm}\n"


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        validate(parse_document(text, "c.yaml"))
    return [str(problem) for problem in caught.value.problems]


def config(text: str) -> Any:
    return validate(parse_document(text, "c.yaml")).config


def test_the_smallest_configuration_is_one_line() -> None:
    loaded = config(SMALLEST)

    assert loaded.num_epochs == 100
    assert loaded.batch_size == "auto"
    assert loaded.model.tensor_shape == "auto"
    assert loaded.model.architecture == "auto"


def test_keys_of_the_architecture_that_are_left_out_are_those_of_the_vocabulary() -> None:
    loaded = config("model_config: {model_name: ddpm, architecture: {norm_num_groups: 16}}\n")

    assert loaded.model.architecture.num_channels == [32, 64, 64, 64]


@pytest.mark.parametrize("family", ["ddpm", "flow_matching", "dcgan", "stylegan", "stylegan2", "vqvae"])
def test_an_architecture_may_be_a_size_and_a_wrong_one_is_named(family: str) -> None:
    section = f"model_config:\n  model_name: {family}\n  architecture: "

    assert config(section + "XS\n").model.network_size == "XS"
    (found,) = problems(section + "huge\n")
    assert found.startswith("c.yaml:3: model_config.architecture: 'huge' is not valid; allowed: auto, XS, S, M, L, XL")


def test_all_problems_are_reported_at_once_with_line_and_suggestion() -> None:
    found = problems(
        """\
num_epoch: 10
batch_size: 0
model_config:
  model_name: ddpm
  losses: {name: mze}
  architecture:
    num_channles: [32, 64]
compute:
  precision: fp16
"""
    )

    text = "\n".join(found)
    assert "c.yaml:1: num_epoch: unknown key" in text
    assert "did you mean 'num_epochs'?" in text
    assert "c.yaml:2: batch_size: 0 is not valid" in text
    assert "c.yaml:7: model_config.architecture.num_channles: unknown key" in text
    assert "did you mean 'num_channels'?" in text
    assert "c.yaml:9: compute.precision: 'fp16' is not valid" in text
    assert "bf16-mixed" in text
    assert len(found) == 4


@pytest.mark.parametrize(
    ("section", "group"),
    [("losses: {name: mze}", "losses"), ("optimizers: adm", "optimizers"), ("schedulers: {type: stp}", "schedulers")],
)
def test_unknown_components_name_the_nearest(section: str, group: str) -> None:
    (found,) = problems(f"model_config:\n  model_name: ddpm\n  {section}\n")

    assert found.startswith(f"c.yaml:3: model_config.{group}: unknown name")
    assert {"losses": "'mse'", "optimizers": "'adam'", "schedulers": "'step'"}[group] in found


def test_unknown_model_names_the_known_ones_and_the_rest_is_still_checked() -> None:
    found = problems("model_config: {model_name: dpdm}\nnum_epochs: -3\n")

    assert any("c.yaml:1: model_config.model_name: unknown name 'dpdm'" in line and "ddpm" in line for line in found)
    assert any("c.yaml:2: num_epochs: -3 is not valid" in line for line in found)


def test_a_missing_model_is_named() -> None:
    assert problems("num_epochs: 3\n") == ["c.yaml: model_config: is required but absent"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds nothing"),
        ("- a\n", "holds a"),
        ("a: 1\na: 2\n", "is not valid YAML"),
        ("a: [1\n", "is not valid YAML"),
    ],
)
def test_what_is_not_a_mapping_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_document(text, "c.yaml")


def test_yaml_never_runs_code(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    text = f"model_config: !!python/object/apply:os.system ['touch {victim}']\n"

    with pytest.raises(ConfigError):
        validate(parse_document(text, "c.yaml"))

    assert not victim.exists()


def test_a_missing_file_is_an_error_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml: cannot be read: No such file"):
        load_config(tmp_path / "nothing.yaml")


def test_numbers_follow_yaml_1_2() -> None:
    loaded = config("model_config:\n  model_name: ddpm\n  optimizers: {name: adam, lr: 1e-4}\n")

    assert loaded.model.optimizers.parameters == {"lr": 1e-4}


@pytest.mark.parametrize(
    "written",
    ["mse", "{name: mse}", "{mse: {}}", "[mse]", "[{name: mse}]", "{mse: }"],
)
def test_a_component_can_be_written_in_every_known_form(written: str) -> None:
    loaded = config(f"model_config:\n  model_name: ddpm\n  losses: {written}\n")

    assert loaded.model.losses == Component(name="mse")


@pytest.mark.parametrize(
    "written",
    [
        "{model: {name: adam, lr: 0.1}}",
        "[{model: {name: adam, lr: 0.1}}]",
        "{model: {adam: {lr: 0.1}}}",
        "{model: [{name: adam}, {lr: 0.1}]}",
    ],
)
def test_components_can_be_written_per_network(written: str) -> None:
    loaded = config(f"model_config:\n  model_name: ddpm\n  optimizers: {written}\n")

    assert isinstance(loaded.model.optimizers, ByNetwork)
    component = loaded.model.optimizers.networks["model"]
    assert (component.name, component.parameters) == ("adam", {"lr": 0.1})


def test_a_network_that_the_model_does_not_have_is_refused() -> None:
    (found,) = problems("model_config:\n  model_name: ddpm\n  losses: {generator: mse, discriminator: mse}\n")

    assert "discriminator, generator" in found
    assert "the networks of this model are: model" in found


def test_phases_have_two_names_and_one_pipeline_serves_all() -> None:
    by_phase = config(SMALLEST + "data_preprocessing: {train: {resize: [8, 8]}, validation: [normalize]}\n")
    for_all = config(SMALLEST + "data_preprocessing:\n  - resize: [8, 8]\n  - normalize\n")

    assert [step.name for step in by_phase.data_preprocessing.of("val")] == ["normalize"]
    assert [step.name for step in by_phase.data_preprocessing.of("test")] == ["resize"]
    assert [step.name for step in for_all.data_preprocessing.of("test")] == ["resize", "normalize"]


def test_documented_and_actual_name_of_augmentation_are_both_read() -> None:
    loaded = config(SMALLEST + "data_augmentations: {train: {flip: {axis: 0}}}\n")

    assert [step.name for step in loaded.data_augmentation.train] == ["flip"]


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("{rezise: [8, 8]}", "c.yaml:2: data_preprocessing.rezise: unknown name 'rezise' in preprocessing"),
        ("{resize: [8, a]}", "c.yaml:2: data_preprocessing.resize.1: 'a' is not valid"),
        ("{rescale: {percentile: [1, 99]}}", "c.yaml:2: data_preprocessing.rescale.percentile: unknown key"),
    ],
)
def test_a_wrong_transform_is_placed(pipeline: str, message: str) -> None:
    found = problems(SMALLEST + f"data_preprocessing: {pipeline}\n")

    assert found[0].startswith(message)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (
            "{num_channels: [32, 64], attention_levels: [false]}",
            "attention_levels has 1 entries but num_channels has 2",
        ),
        (
            "{num_channels: [20, 20, 20, 20]}",
            "norm_num_groups 32 does not divide num_channels [20, 20, 20, 20]; the nearest",
        ),
        ("{num_head_channels: 7}", "num_head_channels 7 does not divide the 64 channels"),
    ],
)
def test_impossible_networks_are_refused(architecture: str, message: str) -> None:
    (found,) = problems(f"model_config:\n  model_name: ddpm\n  architecture: {architecture}\n")

    assert message in found
    assert found.startswith("c.yaml:3: model_config.architecture")


def test_noise_prediction_turns_zero_snr_off_unless_it_was_asked_for() -> None:
    assert config("model_config: {model_name: ddpm, prediction_type: epsilon}\n").model.zero_terminal_snr is False
    (found,) = problems("model_config: {model_name: ddpm, prediction_type: epsilon, zero_terminal_snr: true}\n")
    assert "zero_terminal_snr needs prediction_type v_prediction or sample" in found


@pytest.mark.parametrize("text", ["edm: {p_mean: -0.4}", "prediction_type: edm, beta_schedule: linear"])
def test_keys_that_the_prediction_type_does_not_use_are_refused(text: str) -> None:
    (found,) = problems(f"model_config: {{model_name: ddpm, {text}}}\n")
    assert "prediction_type edm" in found


def test_what_a_configuration_dumps_is_that_configuration_again() -> None:
    text = SMALLEST + "data_preprocessing: {train: [{resize: [8, 8]}, normalize]}\nmetrics: []\n"
    first = config(text)

    again = validate(parse_document(text, "c.yaml")).config.model_dump(mode="json", by_alias=True)

    assert type(first).model_validate(again) == first


def test_parameters_of_paired_metrics_are_checked() -> None:
    text = "model_config: {model_name: autoencoder_kl}\nmetrics:\n  - peak_signal_noise_ratio: {%s}\n"

    (problem,) = problems(text % "data_rnage: 1")
    assert "metrics.peak_signal_noise_ratio.data_rnage" in problem
    assert "did you mean 'data_range'?" in problem
    assert config(text % "data_range: [0, 1]").metrics[0].parameters == {"data_range": [0, 1]}
