"""From a YAML file to a validated configuration, reporting everything that is wrong at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from gandlf_synth import registry
from gandlf_synth.config.component import ByNetwork, Component, Components, Step
from gandlf_synth.config.document import Document, KeyPath, read_document
from gandlf_synth.config.messages import problems_of
from gandlf_synth.config.model import ModelConfig
from gandlf_synth.config.phases import PHASES, PhasedSteps
from gandlf_synth.config.schema import Config
from gandlf_synth.config.signature import parameter_problems
from gandlf_synth.config.spellings import with_own_names
from gandlf_synth.errors import ConfigError, Problem, listing, raise_if_any

_COMPONENT_GROUPS = ("losses", "optimizers", "schedulers")
_PIPELINE_GROUPS = {
    "data_preprocessing": "preprocessing",
    "data_augmentation": "augmentations",
    "data_postprocessing": "postprocessing",
}


@dataclass(frozen=True)
class LoadedConfig:
    """A validated configuration and the document it was written in, for messages that come later."""

    config: Config
    document: Document


def load_config(path: Path) -> LoadedConfig:
    """Read and validate the YAML at ``path``.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    return validate(read_document(path))


def validate(document: Document) -> LoadedConfig:
    """Validate ``document``; see ``load_config``."""
    document = with_own_names(document)
    schema, problems = _schema_for(document)
    try:
        config = schema.model_validate(document.content)
    except ValidationError as error:
        raise ConfigError(*problems, *problems_of(error, document, schema)) from error
    problems += [*_bad_components(config, document), *_bad_steps(config, document), *_bad_conditions(config, document)]
    raise_if_any(problems, ConfigError)
    return LoadedConfig(config, document)


def model_config_class(name: str) -> type[ModelConfig]:
    """Return the configuration class of the model family ``name``."""
    config_class: type[ModelConfig] = registry.load("models", name).config_class()
    return config_class


def _schema_for(document: Document) -> tuple[type[Config], list[Problem]]:
    """Return the schema for the model that ``document`` names, or a tolerant one and the problem with the name."""
    section = document.content.get("model_config")
    name = section.get("model_name") if isinstance(section, Mapping) else None
    if not isinstance(name, str):
        return Config[ModelConfig], []  # type: ignore[return-value, unused-ignore]
    problem = registry.unknown_name("models", name, document.where(("model_config", "model_name")))
    if problem:
        return cast("type[Config]", Config[_AnyModel]), [problem]
    return Config[model_config_class(name)], []  # type: ignore[return-value, misc]


class _AnyModel(ModelConfig, extra="allow"):
    """Stands in for an unknown family, so that the rest of the document is still checked."""

    architecture: Any = None


def _bad_components(config: Config, document: Document) -> list[Problem]:
    """Return wrong names and parameters of losses, optimizers and schedulers, and metrics that do not apply."""
    problems: list[Problem] = []
    for group in _COMPONENT_GROUPS:
        for path, component in components_at(getattr(config.model, group), ("model_config", group)):
            problems += parameter_problems(group, component, document, path)
    return [*problems, *_bad_metrics(config, document)]


def _bad_metrics(config: Config, document: Document) -> list[Problem]:
    if not config.metrics:
        return []
    where = document.where(("metrics",))
    if config.model.unpaired:
        names = listing(step.name for step in config.metrics)
        what = f"{names} compare an image with its own reconstruction, but {config.model.model_name} makes new images"
        return [Problem(where, what, fix="leave metrics out; val_loss is logged when there is validation data")]
    problems: list[Problem] = []
    for step in config.metrics:
        unknown = registry.unknown_name("paired_metrics", step.name, where)
        if unknown:
            problems.append(unknown)
        elif step.parameters is not None:
            problems += _bad_parameters(step, document)
    return problems


def _bad_parameters(step: Step, document: Document) -> list[Problem]:
    """Return what is wrong with the parameters of a paired metric."""
    path: KeyPath = ("metrics", step.name)
    if not isinstance(step.parameters, Mapping):
        return [Problem(document.where(path), "takes its parameters by name", f"{step.name}: {{data_range: 1}}")]
    component = Component.model_validate({"name": step.name, **step.parameters})
    return parameter_problems("paired_metrics", component, document, path)


def components_at(components: Components | None, path: KeyPath) -> list[tuple[KeyPath, Component]]:
    """Return every component of a section with the key path where it is written."""
    if components is None:
        return []
    if isinstance(components, ByNetwork):
        return [((*path, network), component) for network, component in components.networks.items()]
    return [(path, components)]


def _bad_steps(config: Config, document: Document) -> list[Problem]:
    problems: dict[str, Problem] = {}
    for section, group in _PIPELINE_GROUPS.items():
        phases: PhasedSteps = getattr(config, section)
        for phase in PHASES:
            for index, step in enumerate(getattr(phases, phase) or []):
                path = _step_path(document, (section, phase), index, step)
                for problem in check_step(group, step, document, path):
                    problems[str(problem)] = problem
    return list(problems.values())


def check_step(group: str, step: Step, document: Document, path: KeyPath) -> list[Problem]:
    """Return what is wrong with the name and parameters of one transform."""
    unknown = registry.unknown_name(group, step.name, document.where(path))
    if unknown:
        return [unknown]
    transform = registry.load(group, step.name)
    try:
        transform.model_validate(step.parameters)
    except ValidationError as error:
        return problems_of(error, document, transform, path)
    return []


def _bad_conditions(config: Config, document: Document) -> list[Problem]:
    """Return wrong names and parameters of conditioners, and those of a kind that the family does not take."""
    problems = []
    in_list = isinstance((document.content.get("model_config") or {}).get("conditioning"), list)
    for index, step in enumerate(config.model.conditioning):
        path: KeyPath = ("model_config", "conditioning", index if in_list else step.name)
        problems += check_step("conditioners", step, document, path) or _not_taken(config.model, step, document, path)
    return problems or _lacking(config.model, document)


def _lacking(model: ModelConfig, document: Document) -> list[Problem]:
    """Return that nothing in ``conditioning`` is of the kind that the family cannot do without."""
    required = model.required_kind
    if required is None or any(_kind_of(step.name) == required for step in model.conditioning):
        return []
    where = document.where(("model_config", "conditioning" if model.conditioning else "model_name"))
    what = f"{model.model_name} makes images from images, and conditioning does not say from which"
    fix = "add conditioning: [image], which is all Source_0, Source_1 … columns of the CSV"
    of_kind = [name for name in registry.names("conditioners") if _kind_of(name) == required]
    return [Problem(where, what, f"in conditioning: {listing(of_kind)}", fix)]


def _kind_of(conditioner: str) -> str:
    kind: str = registry.load("conditioners", conditioner).kind
    return kind


def _not_taken(model: ModelConfig, step: Step, document: Document, path: KeyPath) -> list[Problem]:
    kind = _kind_of(step.name)
    if kind in model.condition_kinds:
        return []
    families = [name for name in registry.names("models") if kind in model_config_class(name).condition_kinds]
    what = f"gives a network a {kind}, which {model.model_name} does not take"
    fix = f"leave it out, or use {listing(families)}" if families else "leave it out"
    return [Problem(document.where(path), what, listing(model.condition_kinds), fix)]


def _step_path(document: Document, path: KeyPath, index: int, step: Step) -> KeyPath:
    section, phase = path
    written = document.content.get(str(section))
    base: KeyPath = (section,)
    if isinstance(written, Mapping) and phase in written:
        base, written = (section, phase), written[phase]
    if isinstance(written, list):
        item = (*base, index)
        return (*item, step.name) if isinstance(written[index] if index < len(written) else None, Mapping) else item
    return (*base, step.name)
