"""What does not go with a privacy budget, said before any work."""

from collections.abc import Iterator

from gandlf_synth.config import Config, Document, LoadedConfig, components_at
from gandlf_synth.data.table.manifest import SUBJECT_COLUMN, Manifest
from gandlf_synth.data.table.stored_manifest import StoredManifest
from gandlf_synth.errors import ConfigError, DataError, Problem, raise_if_any
from gandlf_synth.training.privacy.accounting import check_accountant
from gandlf_synth.training.privacy.plan import PrivacyPlan

FEWEST_SUBJECTS = 5_000
_PRECISIONS = ("auto", "32", "32-true", "64", "64-true")
_WATCHING = ("reduce_on_plateau", "reduce-on-plateau", "plateau", "reduceonplateau")
_EXAMPLE_WEIGHTS = 1_000_000


def check_budget(loaded: LoadedConfig) -> None:
    """Refuse what cannot keep the promise of a privacy budget, as far as the configuration says it.

    Raises:
        ConfigError: everything that does not go with it.
        MissingExtraError: Opacus is not installed.
    """
    if loaded.config.privacy is None:
        return
    check_accountant(loaded.document.where(("privacy",)))
    raise_if_any([*_of_model(loaded), *_of_run(loaded), *_without_parent(loaded)], ConfigError)


def check_processes(config: Config) -> None:
    """Refuse to share a training with a privacy budget among processes.

    Raises:
        ConfigError: there are several.
    """
    if config.privacy is None:
        return

    from gandlf_synth.training.strategy import in_several_processes

    if in_several_processes(config.compute):
        what = "several processes would train, and only in one is it known that each subject counts once"
        fix = "set compute.num_devices: 1, and start one process"
        raise ConfigError(Problem("privacy", what, fix=fix))


def check_subjects(config: Config, document: Document, train: Manifest, *, has_parent: bool) -> None:
    """Refuse data of which it is not known who is who, and too few subjects.

    Args:
        config: the resolved configuration.
        document: where it was written.
        train: the training split.
        has_parent: whether the run starts from a trained model, or goes on.

    Raises:
        ConfigError: training from random weights would drown in noise.
        DataError: subjects are not known for sure.
    """
    if config.privacy is None:
        return
    raise_if_any(list(_unknown_subjects(train)), DataError)
    plan = PrivacyPlan.of(config, train.num_subjects)
    if has_parent or config.privacy.from_scratch or plan.subjects >= FEWEST_SUBJECTS:
        return
    raise ConfigError(Problem(document.where(("privacy",)), _drowned(plan), fix=_START))


_START = (
    "start from a public model with model_config.init_from and lora, or set privacy.from_scratch: true to train anyway"
)


def _drowned(plan: PrivacyPlan) -> str:
    """Return the arithmetic of noise and signal in a step."""
    steps = plan.noisy_steps
    each = steps.noise_multiplier / plan.expected_subjects
    return (
        f"{plan.subjects:,} subjects are too few to train random weights (from {FEWEST_SUBJECTS:,} on): with about "
        f"{plan.expected_subjects} of them in each of {plan.steps} steps, epsilon {plan.budget.epsilon:g} needs noise "
        f"of {each:.2g} in every number of a gradient whose whole norm is at most 1 (in units of max_grad_norm): for "
        f"{_EXAMPLE_WEIGHTS:,} weights the noise is {each * _EXAMPLE_WEIGHTS**0.5:,.0f} times as long as the signal"
    )


def _unknown_subjects(train: Manifest) -> Iterator[Problem]:
    if isinstance(train, StoredManifest):
        what = "is a store, and a run with a privacy budget reads images one subject at a time"
        yield Problem(str(train.path), what, fix="train on the CSV of the images")
    elif train.subject_rule != SUBJECT_COLUMN:
        what = f"does not say whose the images are: subjects are {train.subject_rule}"
        fix = "add the column SubjectID: images of one person under two names would count as those of two"
        yield Problem(str(train.path), what, fix=fix)


def _of_model(loaded: LoadedConfig) -> Iterator[Problem]:
    model, where = loaded.config.model, loaded.document.where
    problem = model.private_problem()
    if problem:
        allowed = "ddpm, flow_matching, and autoencoder_kl with adversarial_weight: 0"
        yield Problem(where(("privacy",)), f"does not go with model_name {model.model_name}: {problem}", allowed)
    if model.accumulate_grad_batches > 1:
        what = f"is {model.accumulate_grad_batches}, and a step with a privacy budget takes subjects one by one"
        yield Problem(
            where(("model_config", "accumulate_grad_batches")), what, fix="leave it out, and raise batch_size"
        )
    written = loaded.document.content.get("model_config") or {}
    if written.get("gradient_clip_val") is not None:
        what = "clips the gradient of a step, and with a privacy budget that of each subject is bounded"
        fix = "leave it out; privacy.max_grad_norm is the bound"
        yield Problem(where(("model_config", "gradient_clip_val")), what, fix=fix)
    for path, component in components_at(model.schedulers, ("model_config", "schedulers")):
        if component.name.lower() in _WATCHING:
            yield Problem(where(path), "follows a loss, which no noise hides", fix="use another scheduler")


def _of_run(loaded: LoadedConfig) -> Iterator[Problem]:
    config, where = loaded.config, loaded.document.where
    for key in ("early_stopping_config", "sample_metrics_config"):
        if getattr(config, key) is not None:
            what = "chooses or measures by real images, which no noise hides"
            yield Problem(where((key,)), what, fix="leave it out; the last step is the model")
    compute = config.compute
    if compute.precision not in _PRECISIONS:
        what = f"is {compute.precision}, in which the bound of a subject's gradient is not exact"
        yield Problem(where(("compute", "precision")), what, "32-true, 64-true")
    if compute.strategy != "auto":
        what = f"is {compute.strategy}, and a run with a privacy budget has one process"
        yield Problem(where(("compute", "strategy")), what, fix="leave it out")
    if compute.compile:
        what = "compiles for batches of one size, and the number of images of a subject varies"
        yield Problem(where(("compute", "compile")), what, fix="leave it out")
    if compute.accelerator == "mps":
        yield Problem(where(("compute", "accelerator")), "is mps, which has no 64 bits for the noise", "cpu, gpu")


def _without_parent(loaded: LoadedConfig) -> Iterator[Problem]:
    """Yield what a run from random weights would take from images without noise."""
    config, where = loaded.config, loaded.document.where
    model, budget = config.model, config.privacy
    if budget is None or model.init_from is not None:
        return
    leaks = {
        ("privacy", "value_range"): ("the range of values", budget.value_range is None),
        ("privacy", "spacing"): ("the mean size of voxels", budget.spacing is None),
        ("model_config", "tensor_shape"): ("the size of the images", model.tensor_shape == "auto"),
        ("data_preprocessing",): ("a preprocessing", not config.data_preprocessing.train),
    }
    for key, (what, missing) in leaks.items():
        if missing:
            told = f"is not given, and {what} would be taken from the images and go with the model without noise"
            yield Problem(where(key), told, fix="write it, or start from a public model with model_config.init_from")
    if model.conditioning or model.labeling_paradigm != "unlabeled":
        told = "would take the list of classes or the range of conditions from the rows, without noise"
        fix = "set labeling_paradigm: unlabeled, or start from a public model that has them"
        yield Problem(where(("model_config", "labeling_paradigm")), told, fix=fix)
