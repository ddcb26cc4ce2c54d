"""The plan of a run with a privacy budget: first how many steps, then how much noise they need."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from gandlf_synth.config import Config, Document, Privacy, resolved
from gandlf_synth.errors import ConfigError, Problem, raise_if_any
from gandlf_synth.training.defaults import Choice
from gandlf_synth.training.privacy.accounting import ADJACENCY, NoisySteps, noise_for

if TYPE_CHECKING:
    from gandlf_synth.training.plan import Plan, PlannedRun

_SHARE, _FEWEST_EXPECTED, _MOST_EXPECTED = 4, 8, 256
_PRIVATE_COST = 2.5
"""How many times longer a step takes than without a budget, at most: subjects pass through the network one by one."""


@dataclass(frozen=True)
class PrivacyPlan:
    """What a run with a privacy budget does.

    Args:
        budget: the section of the configuration, nothing in it ``auto``.
        subjects: that may take part.
        expected_subjects: in a step, on average.
        steps_per_epoch: so that each subject takes part once, on average.
        steps: of the whole run.
    """

    budget: Privacy
    subjects: int
    expected_subjects: int
    steps_per_epoch: int
    steps: int

    @classmethod
    def of(cls, config: Config, subjects: int) -> "PrivacyPlan":
        """Return the plan of a resolved configuration.

        Raises:
            ValueError: it has no budget.
        """
        if config.privacy is None:
            raise ValueError("the configuration has no privacy budget")
        expected = min(resolved(config.batch_size), subjects)
        per_epoch = ceil(subjects / expected)
        return cls(config.privacy, subjects, expected, per_epoch, per_epoch * config.num_epochs)

    @property
    def sampling_rate(self) -> float:
        """The probability with which a subject takes part in a step."""
        return self.expected_subjects / self.subjects

    @property
    def noisy_steps(self) -> NoisySteps:
        """What a step tells."""
        budget = self.budget
        return NoisySteps(resolved(budget.noise_multiplier), self.sampling_rate, resolved(budget.delta))

    def record(self, steps: int) -> dict[str, JsonValue]:
        """Return what goes with a model after so many steps."""
        from importlib.metadata import version

        return {
            "epsilon": self.noisy_steps.epsilon(steps),
            "delta": resolved(self.budget.delta),
            "unit": self.budget.unit,
            "neighbors": ADJACENCY,
            "subjects": self.subjects,
            "sampling_rate": self.sampling_rate,
            "steps": steps,
            "noise_multiplier": resolved(self.budget.noise_multiplier),
            "max_grad_norm": self.budget.max_grad_norm,
            "accountant": f"RDP, Opacus {version('opacus')}",
        }


def choose_delta(subjects: int) -> float:
    """Return a power of ten that is at most a tenth of one over the number of subjects.

    >>> choose_delta(200), choose_delta(5000)
    (0.0001, 1e-05)
    """
    return float(f"1e{floor(log10(0.1 / subjects) + 1e-9)}")


def plan_privacy(planned: "PlannedRun", seconds: float | None = None) -> "PlannedRun":
    """Return the run with everything decided that its privacy budget leaves open.

    Args:
        planned: the run.
        seconds: of training, where a time is given and no number of epochs: as many steps as fit into it surely.

    Raises:
        ConfigError: the budget does not go with the data, or is not enough for the steps.
    """
    plan, document = planned.plan, planned.document
    if plan.config.privacy is None:
        return planned
    subjects = planned.splits["train"].num_subjects
    raise_if_any(list(_wrong_delta(plan.config.privacy, subjects, document)), ConfigError)
    choices: list[Choice[Any]] = []
    config = _with_steps(_with_numbers(plan, choices), planned, subjects, seconds, choices)
    config = _with_noise(config, subjects, document, choices)
    keys = {choice.key for choice in choices}
    kept = [choice for choice in plan.choices if choice.key not in keys]
    notes = [*plan.notes, *_told(PrivacyPlan.of(config, subjects))]
    return replace(planned, plan=replace(plan, config=config, choices=[*kept, *choices], notes=notes, cost=None))


def _wrong_delta(budget: Privacy, subjects: int, document: Document) -> Sequence[Problem]:
    if budget.delta == "auto" or budget.delta < 1 / subjects:
        return []
    what = f"is {budget.delta:g} for {subjects} subjects: a model that shows one of them whole would keep within it"
    fix = f"leave it out: it is then {choose_delta(subjects):g}"
    return [Problem(document.where(("privacy", "delta")), what, f"less than 1/{subjects}", fix)]


def _with_numbers(plan: "Plan", choices: list[Choice[Any]]) -> Config:
    """Return the configuration without clipping of its own, and with numbers in which clipping is exact."""
    config = plan.config
    if config.model.gradient_clip_val is not None:
        config = config.model_copy(update={"model": config.model.model_copy(update={"gradient_clip_val": None})})
        reason = "privacy: the gradient of each subject is bounded instead"
        choices.append(Choice("model_config.gradient_clip_val", None, reason))
    if plan.reason("compute.precision"):
        config = config.model_copy(update={"compute": config.compute.model_copy(update={"precision": "32-true"})})
        choices.append(Choice("compute.precision", "32-true", "privacy: bounds are exact in 32 bits"))
    return config


def _with_steps(
    config: Config, planned: "PlannedRun", subjects: int, seconds: float | None, choices: list[Choice[Any]]
) -> Config:
    """Return the configuration with a number of subjects in a step and a number of epochs."""
    plan = planned.plan
    if plan.reason("batch_size"):
        together = resolved(config.batch_size)
        size = min(subjects, max(_FEWEST_EXPECTED, min(_MOST_EXPECTED, ceil(subjects / _SHARE))))
        reason = f"privacy: of {subjects} subjects on average; the more of them, the less noise for each"
        choices.append(Choice("batch_size", size, reason))
        budget = config.privacy
        if budget is not None and budget.images_at_once == "auto":
            config = config.model_copy(update={"privacy": budget.model_copy(update={"images_at_once": together})})
        config = config.model_copy(update={"batch_size": size})
    if seconds is not None and plan.reason("num_epochs"):
        epochs = _epochs_in(seconds, config, planned)
        config = config.model_copy(update={"num_epochs": epochs})
        reason = "privacy: the steps that surely fit into the time; the noise is for so many"
        choices.append(Choice("num_epochs", epochs, reason))
    return config


def _epochs_in(seconds: float, config: Config, planned: "PlannedRun") -> int:
    from gandlf_synth.training.speed import measure_cost  # imports torch

    train = planned.splits["train"]
    plain = config.model_copy(update={"privacy": None, "batch_size": min(resolved(config.batch_size), 8)})
    stage = measure_cost(plain, planned.facts, train).stages[-1]
    per_volume = config.patch_sampler.patches_per_volume if config.patch_sampler else 1
    images = len(train.samples) * per_volume
    seconds_per_epoch = stage.seconds_of(1) / stage.batch_size * images * _PRIVATE_COST
    return max(1, int(seconds / seconds_per_epoch))


def _with_noise(config: Config, subjects: int, document: Document, choices: list[Choice[Any]]) -> Config:
    budget = config.privacy
    if budget is None:
        return config
    if budget.delta == "auto":
        reason = f"a power of ten, at most a tenth of 1/{subjects} subjects"
        choices.append(Choice("privacy.delta", choose_delta(subjects), reason))
        budget = budget.model_copy(update={"delta": choices[-1].value})
    if budget.images_at_once == "auto":
        budget = budget.model_copy(update={"images_at_once": min(resolved(config.batch_size), 8)})
    config = config.model_copy(update={"privacy": budget})
    plan = PrivacyPlan.of(config, subjects)
    if budget.noise_multiplier == "auto":
        noise = noise_for(budget.epsilon, resolved(budget.delta), plan.sampling_rate, plan.steps)
        reason = f"the least with which {plan.steps} steps keep within epsilon {budget.epsilon:g}"
        choices.append(Choice("privacy.noise_multiplier", noise, reason))
        return config.model_copy(update={"privacy": budget.model_copy(update={"noise_multiplier": noise})})
    spent = plan.noisy_steps.epsilon(plan.steps)
    if spent > budget.epsilon:
        epochs = plan.noisy_steps.affordable(budget.epsilon) // plan.steps_per_epoch
        what = (
            f"is {budget.epsilon:g}, and {config.num_epochs} epochs ({plan.steps} steps) with a noise_multiplier of "
            f"{budget.noise_multiplier:g} would spend {spent:g}"
        )
        fix = "a run that has begun keeps its noise: more steps need a budget of their own, and both add up"
        where = document.where(("privacy", "epsilon"))
        raise ConfigError(Problem(where, what, f"num_epochs up to {epochs}", fix))
    return config


def _told(plan: PrivacyPlan) -> list[str]:
    """Return what a person should know before the run."""
    budget, noise = plan.budget, resolved(plan.budget.noise_multiplier)
    each = noise * budget.max_grad_norm / plan.expected_subjects
    return [
        f"privacy: epsilon {plan.noisy_steps.epsilon(plan.steps):g} at delta {resolved(budget.delta):g} after "
        f"{plan.steps} steps, for {ADJACENCY}; {plan.subjects} subjects, each in a step with probability "
        f"{plan.sampling_rate:.3g}",
        f"privacy: noise of {each:.3g} in every number of a step's gradient, whose whole norm is at most "
        f"{budget.max_grad_norm:g}",
        "privacy: losses, logs and whatever else the model folder holds besides weights are not covered; share what "
        "export writes",
    ]
