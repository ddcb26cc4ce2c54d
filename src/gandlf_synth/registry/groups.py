"""The contract of every kind of component: what it is, how it is called, what names it, and what checks it.

A component has one of two shapes: a pydantic class, whose fields are its parameters in the YAML, or a plain function.
Model families are the exception: a ``ModelFamily`` describes where the classes of a family are, because families are
listed and their keys are checked without importing torch.
"""

import inspect
from dataclasses import dataclass
from functools import partial
from typing import Literal

from gandlf_synth.errors import Problem

Shape = Literal["class", "function", "description"]


@dataclass(frozen=True)
class Group:
    """The contract of one group.

    Args:
        title: the plural of what the components are called.
        shape: a class with parameters and methods, a function, or a description of classes that are elsewhere.
        signature: the parameters and the result, as Python writes them. Of a function: what the program gives stands
            before ``/``, and what the YAML may set is named after it. Of a class: its methods.
        purpose: what it does, in one sentence.
        written: which part of the YAML, or which option, names a component of the group.
        checker: the function that checks one, as ``module:function``.
        base: the class that it derives from, or is an instance of, as ``module:class``; empty for functions.
    """

    title: str
    shape: Shape
    signature: str
    purpose: str
    written: str
    checker: str
    base: str = ""

    @property
    def base_name(self) -> str:
        """The name of the base class, without its module."""
        return self.base.partition(":")[2]

    @property
    def kind(self) -> str:
        """What a component is, in a few words.

        Example:
            >>> GROUPS["losses"].kind
            'a function'
            >>> GROUPS["preprocessing"].kind
            'a class derived from Transform'
        """
        if self.shape == "function":
            return "a function"
        return f"a class derived from {self.base_name}" if self.shape == "class" else f"an instance of {self.base_name}"

    def example(self, group: str) -> str:
        """Return the lines that register a component of this group.

        Example:
            >>> print(GROUPS["losses"].example("losses"))
            @register("losses", "my_name")
            def my_name(*, reduction: str = "mean") -> nn.Module: ...
        """
        line = f'@register("{group}", "my_name")'
        if self.shape == "function":
            return f"{line}\ndef my_name{self.signature}: ..."
        if self.shape == "class":
            return f"{line}\nclass MyName({self.base_name}): ...  # {self.signature}"
        return f'register("{group}", "my_name")({self.base_name}(…))'


_DATA = "gandlf_synth.data"

GROUPS: dict[str, Group] = {
    "models": Group(
        "Model families",
        "description",
        "title, paper, config='module:Config', module='module:Model', tiny={…}",
        "Says where the configuration and the networks of a family are.",
        "model_config.model_name",
        "gandlf_synth.testing:check_model",
        base="gandlf_synth.models.family:ModelFamily",
    ),
    "denoisers": Group(
        "Denoisers",
        "class",
        "build(*, spatial_dims: int, in_channels: int, out_channels: int, num_classes: int = 0, vector_size: int = 0, "
        "condition_channels: int = 0) -> nn.Module",
        "Builds the network that diffusion and flow matching train.",
        "model_config.architecture.denoiser",
        "gandlf_synth.testing:check_denoiser",
        base="gandlf_synth.models.components.denoiser_config:DenoiserArchitecture",
    ),
    "samplers": Group(
        "Samplers",
        "function",
        "(predict: Predict, noise: Tensor, transitions: Transitions, fresh_noise: FreshNoise, /) -> Tensor",
        "Walks from noise to images.",
        "model_config.sampler",
        "gandlf_synth.testing:check_sampler",
    ),
    "noise_schedules": Group(
        "Noise schedules",
        "function",
        "(num_timesteps: int, /) -> Tensor",
        "Returns the variance of the noise that each timestep adds.",
        "model_config.beta_schedule",
        "gandlf_synth.testing:check_noise_schedule",
    ),
    "conditioners": Group(
        "Conditioners",
        "class",
        "fit(train: Manifest) -> tuple[int, dict]; encode(sample: Sample, facts: dict) -> int | Sequence[float] | None",
        "Turns columns of the CSV into what an image is made from.",
        "model_config.conditioning",
        "gandlf_synth.testing:check_conditioner",
        base=f"{_DATA}.loading.conditioners:Conditioner",
    ),
    "losses": Group(
        "Losses",
        "function",
        '(*, reduction: str = "mean") -> nn.Module',
        "Builds a module that compares an output with a target.",
        "model_config.losses",
        "gandlf_synth.testing:check_loss",
    ),
    "optimizers": Group(
        "Optimizers",
        "function",
        "(parameters: ParamsT, /, *, lr: float = 1e-3) -> Optimizer",
        "Builds the optimizer of the parameters that it gets.",
        "model_config.optimizers",
        "gandlf_synth.testing:check_optimizer",
    ),
    "schedulers": Group(
        "Learning-rate schedulers",
        "function",
        "(optimizer: Optimizer, horizon: Horizon, /, *, gamma: float = 0.1) -> dict[str, object]",
        "Builds the scheduler of an optimizer, with the interval at which it acts.",
        "model_config.schedulers",
        "gandlf_synth.testing:check_scheduler",
    ),
    "paired_metrics": Group(
        "Paired metrics",
        "function",
        "(original: ndarray, reconstruction: ndarray, mask: ndarray | None, /, *, data_range: float = 1) -> float",
        "Measures how near a reconstruction is to its original, inside a mask where there is one.",
        "metrics",
        "gandlf_synth.testing:check_paired_metric",
    ),
    "set_metrics": Group(
        "Set metrics",
        "class",
        "compute(sets: ImageSets, settings: MeasureSettings) -> Measurement",
        "Compares a set of synthetic images with a set of real ones.",
        "gandlf-synth evaluate, which computes every registered one",
        "gandlf_synth.testing:check_set_metric",
        base="gandlf_synth.metrics.set_metric:SetMetric",
    ),
    "causes": Group(
        "Causes",
        "function",
        "(compared: ComparedPlanes, /) -> Iterable[Degradation]",
        "Gives what may have been done to synthetic images that differ from real ones, with words for it.",
        "gandlf-synth evaluate, which tries every registered one",
        "gandlf_synth.testing:check_cause",
    ),
    "feature_extractors": Group(
        "Feature extractors",
        "function",
        "(weights: Path | None = None) -> Extractor",
        "Builds the network whose features are compared.",
        "gandlf-synth evaluate --extractor",
        "gandlf_synth.testing:check_feature_extractor",
    ),
    "preprocessing": Group(
        "Preprocessing",
        "class",
        "__call__(image: Image) -> Image",
        "Changes every image in the same way before training.",
        "data_preprocessing",
        "gandlf_synth.testing:check_preprocessing",
        base=f"{_DATA}.processing.base:Transform",
    ),
    "augmentations": Group(
        "Augmentations",
        "class",
        "build(shape: tuple[int, int, int]) -> torchio.Transform",
        "Changes training images at random, and keeps their shape.",
        "data_augmentation",
        "gandlf_synth.testing:check_augmentation",
        base=f"{_DATA}.processing.base:Augmentation",
    ),
    "postprocessing": Group(
        "Postprocessing",
        "class",
        "__call__(channel: ndarray) -> ndarray",
        "Changes synthetic images before they are written.",
        "data_postprocessing",
        "gandlf_synth.testing:check_postprocessing",
        base=f"{_DATA}.processing.base:Postprocessing",
    ),
    "readers": Group(
        "Readers",
        "class",
        '__call__(path: Path, part: str = "") -> Image',
        "Reads one file format.",
        "the endings of the files in the CSV",
        "gandlf_synth.testing:check_reader",
        base=f"{_DATA}.formats.readers.base:Reader",
    ),
    "writers": Group(
        "Writers",
        "class",
        "__call__(path: Path, voxels: ndarray, geometry: Geometry, provenance: dict) -> None",
        "Writes one file format.",
        "inference_parameters.output_format",
        "gandlf_synth.testing:check_writer",
        base=f"{_DATA}.formats.writers.base:Writer",
    ),
    "weight_adapters": Group(
        "Weight adapters",
        "class",
        "recognizes(stored: StoredModel) -> bool; adapt(stored: StoredModel, family: str) -> AdaptedWeights; "
        "examples() -> Sequence[AdapterExample]",
        "Takes over the weights of models that other programs trained.",
        "model_config.init_from.adapter",
        "gandlf_synth.testing:check_weight_adapter",
        base="gandlf_synth.pretrained.adapters.base:WeightAdapter",
    ),
}
"""Every group of components by its name; the entry-point group is ``gandlf_synth.`` and the name."""


def shape_problem(group: str, where: str, component: object) -> Problem | None:
    """Return the problem with a component that has not the shape of its group, else None.

    The base class is known by its name, so that nothing is imported.

    Args:
        group: of ``GROUPS``.
        where: the component, for the message.
        component: what was registered.
    """
    contract = GROUPS[group]
    if contract.shape == "function":
        fits = inspect.isroutine(component) or isinstance(component, type | partial)
    elif contract.shape == "class":
        fits = isinstance(component, type) and _derives(component, contract.base)
    else:
        fits = not isinstance(component, type) and _derives(type(component), contract.base)
    if fits:
        return None
    found = f"the class {component.__name__}" if isinstance(component, type) else f"of type {type(component).__name__}"
    return Problem(where, f"is {found}", contract.kind, f"write it like this:\n{contract.example(group)}")


def _derives(component: type, base: str) -> bool:
    return base in (f"{ancestor.__module__}:{ancestor.__qualname__}" for ancestor in component.__mro__)
