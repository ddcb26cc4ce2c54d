"""What does not go with a privacy budget is refused before any work, and says why."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from gandlf_synth.config import parse_document, validate
from gandlf_synth.data.table.manifest import SUBJECT_COLUMN, Manifest, Sample
from gandlf_synth.errors import ConfigError, DataError, MissingExtraError
from gandlf_synth.training.privacy.limits import check_budget, check_subjects
from gandlf_synth.training.privacy.plan import PrivacyPlan, choose_delta

BASE = "model_config: {{model_name: {family}, init_from: parent{model}}}\nprivacy: {{epsilon: 8}}\n{rest}"


def _loaded(family: str = "ddpm", model: str = "", rest: str = "") -> Any:
    return validate(parse_document(BASE.format(family=family, model=model, rest=rest), "config.yaml"))


@pytest.mark.parametrize(
    ("family", "model", "rest", "message"),
    [
        ("dcgan", "", "", "does not go with model_name dcgan: dcgan learns of images by more than the gradients"),
        ("latent_diffusion", "", "", "allowed: ddpm, flow_matching, and autoencoder_kl with adversarial_weight: 0"),
        ("autoencoder_kl", "", "", "its discriminator learns from images too; set adversarial_weight: 0"),
        ("ddpm", ", gradient_clip_val: 1.0", "", "gradient_clip_val: clips the gradient of a step"),
        ("ddpm", ", accumulate_grad_batches: 2", "", "accumulate_grad_batches: is 2"),
        ("ddpm", ", schedulers: {name: reduce_on_plateau}", "", "follows a loss, which no noise hides"),
        ("ddpm", "", "early_stopping_config: {monitor_value: val_loss}", "early_stopping_config: chooses or measures"),
        ("ddpm", "", "sample_metrics_config: 2", "sample_metrics_config: chooses or measures by real images"),
        ("ddpm", "", "compute: {precision: bf16-mixed}", "precision: is bf16-mixed, in which the bound"),
        ("ddpm", "", "compute: {strategy: ddp}", "strategy: is ddp, and a run with a privacy budget has one process"),
        ("ddpm", "", "compute: {compile: true}", "compile: compiles for batches of one size"),
    ],
)
def test_what_does_not_go_with_a_budget_is_refused(family: str, model: str, rest: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_budget(_loaded(family, model, rest))

    assert message in str(error.value)


@pytest.mark.parametrize(
    ("family", "model"),
    [("ddpm", ""), ("flow_matching", ", lora: true"), ("autoencoder_kl", ", adversarial_weight: 0")],
)
def test_what_goes_with_a_budget_passes(family: str, model: str) -> None:
    check_budget(_loaded(family, model))


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("{epsilon: 0}", "privacy.epsilon"),
        ("{epsilon: -1}", "privacy.epsilon"),
        ("{epsilon: .inf}", "privacy.epsilon"),
        ("{}", "privacy.epsilon"),
        ("{epsilon: 8, delta: 1}", "privacy.delta"),
        ("{epsilon: 8, unit: image}", "privacy.unit"),
        ("{epsilon: 8, max_grad_norm: 0}", "privacy.max_grad_norm"),
    ],
)
def test_a_budget_that_is_none_is_refused_with_its_line(budget: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        validate(parse_document(f"model_config: {{model_name: ddpm}}\nprivacy: {budget}\n", "config.yaml"))

    assert message in str(error.value)


def test_a_run_from_random_weights_names_what_would_leak() -> None:
    text = "model_config: {model_name: ddpm}\nprivacy: {epsilon: 8}\n"
    with pytest.raises(ConfigError) as error:
        check_budget(validate(parse_document(text, "config.yaml")))

    for key in ("privacy.value_range", "privacy.spacing", "model_config.tensor_shape", "data_preprocessing"):
        assert key in str(error.value)
    assert "would be taken from the images and go with the model without noise" in str(error.value)


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    hidden = "gandlf_synth.training.privacy.accounting.find_spec"
    monkeypatch.setattr(hidden, lambda name: None if name == "opacus" else found(name))

    with pytest.raises(MissingExtraError, match=r"pip install 'gandlf-synth\[privacy\]'"):
        check_budget(_loaded())


def _split(subjects: int, rule: str = SUBJECT_COLUMN) -> Manifest:
    samples = tuple(Sample(number + 1, f"s{number}", (Path("image.png"),)) for number in range(subjects))
    return Manifest(Path("data.csv"), samples, rule)


def _resolved(rest: str = "") -> Any:
    text = (
        "model_config: {model_name: ddpm}\nnum_epochs: 100\nbatch_size: 64\n"
        f"privacy: {{epsilon: 1, delta: 1e-4, noise_multiplier: 13.98, images_at_once: 4{rest}}}\n"
    )
    return validate(parse_document(text, "config.yaml"))


def test_few_subjects_from_random_weights_are_refused_with_the_arithmetic() -> None:
    loaded = _resolved()
    with pytest.raises(ConfigError) as error:
        check_subjects(loaded.config, loaded.document, _split(200), has_parent=False)

    assert "200 subjects are too few to train random weights (from 5,000 on): with about 64 of them" in str(error.value)
    assert "noise of 0.22 in every number of a gradient" in str(error.value)
    assert "for 1,000,000 weights the noise is 218 times as long as the signal" in str(error.value)
    assert "privacy.from_scratch: true" in str(error.value)
    check_subjects(loaded.config, loaded.document, _split(200), has_parent=True)
    check_subjects(loaded.config, loaded.document, _split(5000), has_parent=False)
    anyway = _resolved(", from_scratch: true")
    check_subjects(anyway.config, anyway.document, _split(200), has_parent=False)


def test_subjects_that_nobody_wrote_down_are_refused() -> None:
    loaded = _resolved()
    with pytest.raises(DataError, match=r"data\.csv: does not say whose the images are: subjects are each row its own"):
        check_subjects(loaded.config, loaded.document, _split(9, "each row its own"), has_parent=True)


def test_the_plan_samples_each_subject_once_in_an_epoch_on_average() -> None:
    plan = PrivacyPlan.of(_resolved().config, 200)

    assert (plan.steps_per_epoch, plan.steps, plan.sampling_rate) == (4, 400, 0.32)
    assert PrivacyPlan.of(_resolved().config, 20).sampling_rate == 1
    assert [choose_delta(count) for count in (2, 100, 101, 10_000)] == [1e-2, 1e-3, 1e-4, 1e-5]
