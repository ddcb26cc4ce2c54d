"""One run: a recipe on a data set with a seed, from untrained weights to a score."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.quality.budget import Budget
from benchmarks.quality.datasets import ImageSet
from benchmarks.quality.denoising import train_denoiser
from benchmarks.quality.recipe import Precision, Recipe
from benchmarks.quality.scoring import Judge, reconstruction_error, save_sheet
from benchmarks.quality.turns import train_turns
from gandlf_synth import registry
from gandlf_synth.config import SamplingOptions
from gandlf_synth.data.loading.condition import class_condition
from gandlf_synth.models.build import build_module
from gandlf_synth.models.components.denoising import DenoisingModule
from gandlf_synth.models.sampling import batched, sample_batches
from gandlf_synth.provenance import Purpose, fold_seed

_TIMED = {2: 8, 3: 2}
_BATCH = {2: 200, 3: 20}


@dataclass(frozen=True)
class Run:
    """What is trained and judged.

    Args:
        name: of the recipe.
        recipe: how.
        seed: decides weights, batches and samples.
        steps: of the training (for latents: of the denoiser); None: by the processor's time.
        first_steps: of the autoencoder of latents.
        cpu_seconds: the budget; with ``steps`` given, what they are worth.
        images: how many are sampled.
        deadline: of ``time.monotonic``.
        pace: see ``Budget``.
        first_pace: of the autoencoder of latents.
        precision: of the training, by Lightning's names.
    """

    name: str
    recipe: Recipe
    seed: int
    cpu_seconds: float
    steps: int | None = None
    first_steps: int | None = None
    images: int = 400
    deadline: float | None = None
    pace: tuple[float, ...] = ()
    first_pace: tuple[float, ...] = ()
    precision: Precision = "32-true"


def carry_out(run: Run, data: ImageSet, judge: Judge, pictures: Path | None) -> dict[str, Any]:
    """Train, sample and score."""
    started = time.monotonic()
    device, recipe = judge.device, run.recipe
    torch.manual_seed(run.seed)
    if recipe.few is not None:
        data = _some(data, recipe.few)
    images = _mirrored(data.train) if recipe.mirrors else data.train
    labels = data.labels.repeat(2) if recipe.mirrors and data.labels is not None else data.labels
    module, clean, first_steps = _prepare(run, data, images, labels, device)
    share = 1 - recipe.first_share if recipe.first else 1.0
    budget = Budget(None if run.steps else share * run.cpu_seconds, run.steps, run.deadline, run.pace)
    facts: dict[str, Any]
    if isinstance(module, DenoisingModule):
        steps, averages, facts = train_denoiser(module, recipe, clean, labels, budget, device, run.precision)
    else:
        steps, facts = train_turns(module, recipe, clean, labels, budget, device, run.precision)
        averages = iter(["own"])
    trained = time.monotonic() - started
    scores: dict[str, Any] = {}
    for average in averages:
        for options in ({}, *recipe.samplings) if average == "own" else ({},):
            name = " ".join([average, *(f"{key} {value}" for key, value in options.items())])
            sampled = _sample(module.eval(), run, data, options)
            scores[name] = judge.score(sampled, data)
            if pictures is not None and name == "own":
                save_sheet(
                    sampled,
                    f"{data.name}: {run.name}",
                    pictures / f"{data.name}_{run.name}_{run.cpu_seconds:g}_{run.seed}.png",
                )
    if hasattr(module, "encode_mean"):
        scores |= _reconstructions(module, data, judge)
    return {
        "recipe": run.name, "data": data.name, "seed": run.seed, "cpu_seconds": run.cpu_seconds, "steps": steps,
        "first_steps": first_steps, "weights": sum(weight.numel() for weight in module.parameters()),
        "device": device.type, "number_format": run.precision, "seconds_trained": round(trained, 1),
        "seconds": round(time.monotonic() - started, 1), "scores": scores, **facts,
    }  # fmt: skip


def build(recipe: Recipe, data: ImageSet) -> Any:
    """Return the untrained model."""
    section = dict(recipe.model)
    if recipe.first:
        section["first_stage"] = recipe.first.model
    if recipe.family not in {"stylegan"}:
        section["tensor_shape"] = list(data.shape)
    family = registry.load("models", recipe.family)
    return build_module(family.config_class().model_validate(section), data.spec)


def seconds_per_image(module: Any, data: ImageSet) -> float:
    """Return the processor's time for an image."""
    count = _TIMED[len(data.shape)]
    started = time.process_time()
    list(sample_batches(module.eval(), batched(list(range(count)), _classes(data, count), count), SamplingOptions()))
    return (time.process_time() - started) / count


def _prepare(
    run: Run, data: ImageSet, images: Tensor, labels: Tensor | None, device: torch.device
) -> tuple[Any, Tensor, int | None]:
    """Return the model, what it learns, and the steps of its autoencoder, if it has one."""
    module = build(run.recipe, data)
    if run.recipe.first is None:
        return module, images, None
    share = run.recipe.first_share
    first = build(run.recipe.first, data)
    seconds = None if run.first_steps else share * run.cpu_seconds
    budget = Budget(seconds, run.first_steps, run.deadline, run.first_pace)
    steps, _ = train_turns(first, run.recipe.first, images, labels, budget, device, run.precision)
    module.load_first_stage(first)
    module.to(device)
    with torch.inference_mode():
        latents = torch.cat([module.first_stage.encode_mean(part.to(device)) for part in images.split(8)])
    latents = latents.clone()
    module.scale.measure(latents.split(8))
    return module, module.scale.scaled(latents).detach(), steps


def _sample(module: Any, run: Run, data: ImageSet, options: dict[str, Any]) -> Tensor:
    """Return images; ``options`` are of the sampling or, where it has no such option, of the model."""
    seeds = [fold_seed(run.seed, Purpose.IMAGE, index) for index in range(run.images)]
    batches = batched(seeds, _classes(data, run.images), _BATCH[len(data.shape)])
    of_sampling = {name: value for name, value in options.items() if name in SamplingOptions.model_fields}
    config = module.config
    module.config = config.model_copy(update={name: options[name] for name in options if name not in of_sampling})
    try:
        return torch.cat(list(sample_batches(module, batches, SamplingOptions(**of_sampling))))
    finally:
        module.config = config


def _classes(data: ImageSet, count: int) -> Any:
    """Return classes in the shares of the training images."""
    if data.labels is None:
        return class_condition(None)
    return class_condition(data.labels[torch.linspace(0, len(data.labels) - 1, count).long()].tolist())


@torch.inference_mode()
def _reconstructions(module: Any, data: ImageSet, judge: Judge) -> dict[str, Any]:
    """Return the score of reconstructed training images, and the error of reconstructed test images."""

    def decoded(images: Tensor) -> Tensor:
        parts = images.to(judge.device).split(20)
        return torch.cat([module.decode(module.encode_mean(part)).clamp(-1, 1).float().cpu() for part in parts])

    drawn = data.train[torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:400]]
    return {
        "reconstructions": judge.score(decoded(drawn), data)
        | {"psnr": round(reconstruction_error(data.test, decoded(data.test)), 2)}
    }


def _some(data: ImageSet, count: int) -> ImageSet:
    """Return a data set with ``count`` of its training images, always the same ones."""
    kept = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:count]
    return replace(data, train=data.train[kept], labels=None if data.labels is None else data.labels[kept])


def _mirrored(images: Tensor) -> Tensor:
    return torch.cat([images, images.flip(2)])
