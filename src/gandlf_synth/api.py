"""Everything that the command line does, as functions: validated input in, typed results out.

Errors are those of ``gandlf_synth.errors``. Heavy packages are imported when a function is called.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gandlf_synth import registry
from gandlf_synth.config import InferenceParameters, LabelingParadigm, LoadedConfig, load_config
from gandlf_synth.errors import ConfigError, Problem, listing

if TYPE_CHECKING:
    from rich.console import Console

    from gandlf_synth.data.construct import ConstructReport
    from gandlf_synth.data.manifest import Manifest
    from gandlf_synth.data.patch_grid import PatchGrid
    from gandlf_synth.data.pipeline import Pipeline
    from gandlf_synth.data.spec import DataSpec
    from gandlf_synth.evaluation.paired import PairedRequest, PairedResult
    from gandlf_synth.evaluation.request import EvaluationRequest
    from gandlf_synth.evaluation.results import Evaluation
    from gandlf_synth.evaluation.sweep import SweepResult
    from gandlf_synth.models.base import GenerativeModule
    from gandlf_synth.synthesis.copies import CopyGate
    from gandlf_synth.synthesis.generate import GenerationResult
    from gandlf_synth.synthesis.reconstruct import ReconstructionResult
    from gandlf_synth.training.checking import CheckReport
    from gandlf_synth.training.request import TrainingRequest
    from gandlf_synth.training.session import TrainingResult
    from gandlf_synth.training.verification import InstallReport

DEFAULT_SEED = 42


def construct_csv(
    input_dir: Path,
    channel_endings: Sequence[str],
    paradigm: LabelingParadigm,
    output_file: Path,
    *,
    relative_paths: bool = False,
    overwrite: bool = False,
    patches: "PatchGrid | None" = None,
) -> "ConstructReport":
    """Write the CSV of the images in a folder; see ``data.construct.construct_csv``."""
    from gandlf_synth.data.construct import construct_csv as construct

    return construct(
        input_dir,
        channel_endings,
        paradigm,
        output_file,
        relative_paths=relative_paths,
        overwrite=overwrite,
        patches=patches,
    )


def train(request: "TrainingRequest", console: "Console | None" = None) -> "TrainingResult":
    """Train a model; see ``training.session.run_training``."""
    from gandlf_synth.training.session import run_training

    return run_training(request, console or _silent())


@dataclass(frozen=True)
class GenerationRequest:
    """What to synthesise; None takes the model's or the configuration's own value.

    Args:
        model_dir: the model folder.
        output_dir: where ``<model folder>_inference_output[_k]`` is made; None: inside the model folder.
        config: the YAML, for its ``inference_parameters``; None: those that the model was trained with.
        checkpoint: the checkpoint; None: the best, else the last.
        counts: how many images, or how many per class name or label.
        per_class: that many of every class.
        seed: decides the images.
        only: make only these indices.
        batch_size, output_format, sampler, num_inference_steps, guidance_scale: as in ``inference_parameters``.
        resume: finish an earlier, interrupted call with the same arguments: make only what is missing.
        refuse_copies: the CSV that the model was trained on; images that look like one of its own are made again.
    """

    model_dir: Path
    output_dir: Path | None = None
    config: Path | None = None
    checkpoint: Path | None = None
    counts: int | dict[str, int] | None = None
    per_class: int | None = None
    seed: int | None = None
    only: frozenset[int] | None = None
    batch_size: int | None = None
    output_format: str | None = None
    sampler: str | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    resume: bool = False
    refuse_copies: Path | None = None


def generate(request: GenerationRequest, console: "Console | None" = None) -> "GenerationResult":
    """Synthesise images with a trained model.

    Raises:
        ConfigError: the configuration is wrong, or asks for what the model cannot do.
        CheckpointError: there is no usable checkpoint; nothing is written.
    """
    from gandlf_synth.training.folder import ModelFolder

    folder = ModelFolder(request.model_dir)
    checkpoint = folder.choose_checkpoint(request.checkpoint)
    loaded = _inference_config(request.config, folder)

    from gandlf_synth.display.progress import progress_bar
    from gandlf_synth.display.reporter import Reporter
    from gandlf_synth.models.base import SamplingOptions
    from gandlf_synth.models.checkpoint import load_module
    from gandlf_synth.synthesis.generate import generate_images
    from gandlf_synth.synthesis.image_files import image_writer
    from gandlf_synth.synthesis.output import folder_for, model_source
    from gandlf_synth.synthesis.requests import image_requests
    from gandlf_synth.synthesis.sharing import join

    module = load_module(checkpoint, loaded.config.model.model_name if loaded else None)
    parameters = _parameters(request, loaded, folder.sampling)
    options = SamplingOptions(parameters.sampler, parameters.num_inference_steps, parameters.guidance_scale)
    module.check_sampling(options)
    counts: Any = request.counts if request.counts is not None else parameters.n_images_to_generate
    if request.per_class is not None:
        counts = dict.fromkeys(module.spec.class_names, request.per_class) or request.per_class
    seed = request.seed if request.seed is not None else (loaded.config.seed if loaded else DEFAULT_SEED)
    requests = image_requests(counts, module.spec, seed, request.only)
    writer = image_writer(parameters.output_format, module.spec)
    share = join()
    terminal = (console if share.is_first else None) or _silent()
    source = {**model_source(checkpoint, folder.root), "user_seed": seed}
    wanted = {**source, **parameters.model_dump(mode="json"), "images": [each.index for each in requests]}
    gate = _copy_gate(request.refuse_copies, module.spec, loaded) if request.refuse_copies else None
    if gate is not None:
        wanted["copy_limit"] = gate.limit
    wanted |= {"n_images_to_generate": counts, "sampling": module.sampling_defaults(options)}
    output = folder_for(folder.root, request.output_dir, wanted, resume=request.resume) if share.is_first else None
    return generate_images(
        module.to(share.device),
        requests,
        share.agree(output),
        source,
        Reporter(terminal),
        progress_bar(terminal),
        batch_size=parameters.batch_size,
        writer=writer,
        options=options,
        share=share,
        postprocessing=(loaded.config.data_postprocessing.inference if loaded else None) or [],
        gate=gate,
    )


def _copy_gate(csv: Path, spec: "DataSpec", loaded: LoadedConfig | None) -> "CopyGate":
    from gandlf_synth.data.network_input import batches_of
    from gandlf_synth.synthesis.copies import gate_of

    manifest, pipeline = _inputs(csv, spec, loaded)
    return gate_of(batches_of(manifest, pipeline, spec), [each.subject for each in manifest.samples], str(csv))


def load_model(model_dir: Path, checkpoint: Path | None = None) -> "GenerativeModule[Any]":
    """Return the trained model in a folder, with its averaged weights, ready to sample.

    Args:
        model_dir: the model folder.
        checkpoint: the checkpoint; None: the best, else the last.

    Raises:
        CheckpointError: there is none that can be used.
    """
    from gandlf_synth.training.folder import ModelFolder

    path = ModelFolder(model_dir).choose_checkpoint(checkpoint)

    from gandlf_synth.models.checkpoint import load_module

    return load_module(path)


@dataclass(frozen=True)
class EvaluationResult:
    """What ``evaluate`` found, and the reports that it wrote."""

    evaluation: "Evaluation"
    reports: list[Path]


def evaluate(
    request: "EvaluationRequest", formats: Sequence[str] = ("html",), console: "Console | None" = None
) -> EvaluationResult:
    """Compare two sets of images and write numbers and reports; see ``evaluation.run.run_evaluation``."""
    from gandlf_synth.display.progress import progress_bar
    from gandlf_synth.evaluation.run import run_evaluation

    evaluation = run_evaluation(request, progress_bar(console or _silent()))
    return EvaluationResult(evaluation, report(request.output_dir, formats))


def evaluate_paired(request: "PairedRequest", console: "Console | None" = None) -> "PairedResult":
    """Compare reconstructions with their originals, image by image; see ``evaluation.paired.run_paired``."""
    from gandlf_synth.display.progress import progress_bar
    from gandlf_synth.evaluation.paired import run_paired

    return run_paired(request, progress_bar(console or _silent()))


def report(folder: Path, formats: Sequence[str] = ("html",)) -> list[Path]:
    """Write the reports of an evaluation from its stored numbers, and return their paths.

    Args:
        folder: what ``evaluate`` wrote.
        formats: ``html``, ``md`` or ``json`` (the numbers, which are there already).

    Raises:
        DataError: the folder holds no evaluation.
    """
    from gandlf_synth.evaluation.report import markdown, page
    from gandlf_synth.evaluation.store import EvaluationFolder
    from gandlf_synth.files import write_text

    place = EvaluationFolder(folder)
    evaluation, arrays = place.read()
    written = []
    for name in formats:
        path = place.metrics if name == "json" else place.report(name)
        if name != "json":
            write_text(path, page(evaluation, arrays) if name == "html" else markdown(evaluation))
        written.append(path)
    return written


def verify_install() -> "InstallReport":
    """Run one real training step on every kind of device; see ``training.verification``."""
    from gandlf_synth.training.verification import verify

    return verify()


def check(request: "TrainingRequest", console: "Console | None" = None, *, fast: bool = False) -> "CheckReport":
    """Return everything that can be known of a run before it is begun; see ``training.checking.check_run``."""
    from gandlf_synth.training.checking import check_run

    return check_run(request, console or _silent(), fast=fast)


def preview(request: "TrainingRequest", folder: Path, console: "Console | None" = None, *, count: int = 6) -> Path:
    """Write a picture of what the network will see, and return it; see ``training.preview.preview``."""
    from gandlf_synth.training.preview import preview as show

    return show(request, folder, console or _silent(), count=count)


def export_model(
    model_dir: Path, folder: Path, *, formats: Sequence[str] = (), checkpoint: Path | None = None
) -> list[Path]:
    """Write a trained model with a model card into ``folder``, and return the files; see ``exporting``."""
    from gandlf_synth.exporting import export_package

    return export_package(load_model(model_dir, checkpoint), model_dir, folder, formats)  # type: ignore[arg-type]


def installation() -> dict[str, dict[str, str]]:
    """Return versions, devices, extras and the cache, in words; see ``training.installation``."""
    from gandlf_synth.training.installation import installation as look

    return look()


def provenance_of(file: Path) -> dict[str, Any]:
    """Return what a file that this program wrote says of its origin: an image, its sidecar, or a checkpoint.

    Raises:
        DataError: it is not there, or says nothing.
    """
    from gandlf_synth.synthesis.origin import origin_of

    return origin_of(file)


@dataclass(frozen=True)
class ReconstructionRequest:
    """What to reconstruct; None takes the model's or the configuration's own value.

    Args:
        model_dir: the model folder.
        csv: the images.
        output_dir: where ``<model folder>_inference_output[_k]`` is made; None: inside the model folder.
        config: the YAML, for its preprocessing and metrics; None: those that the model was trained with.
        checkpoint: the checkpoint; None: the best, else the last.
        batch_size: images passed together.
        output_format: as in ``inference_parameters``.
    """

    model_dir: Path
    csv: Path
    output_dir: Path | None = None
    config: Path | None = None
    checkpoint: Path | None = None
    batch_size: int = 1
    output_format: str = "auto"


def reconstruct(request: ReconstructionRequest, console: "Console | None" = None) -> "ReconstructionResult":
    """Pass images through a trained model of a family that can, and compare them with what comes out.

    Raises:
        ConfigError: the family cannot reconstruct, or the images are not like those it was trained on.
        DataError: an image cannot be used.
        CheckpointError: there is no usable checkpoint; nothing is written.
    """
    from gandlf_synth.training.folder import ModelFolder

    folder = ModelFolder(request.model_dir)
    checkpoint = folder.choose_checkpoint(request.checkpoint)
    loaded = _inference_config(request.config, folder)

    from gandlf_synth.display.progress import progress_bar
    from gandlf_synth.models.checkpoint import load_module
    from gandlf_synth.synthesis.image_files import image_writer
    from gandlf_synth.synthesis.output import inference_folder, model_source
    from gandlf_synth.synthesis.reconstruct import reconstruct_images
    from gandlf_synth.synthesis.sharing import Share

    module = load_module(checkpoint)
    spec = module.spec
    _check_reconstructs(module.config.model_name)
    manifest, pipeline = _inputs(request.csv, spec, loaded)
    return reconstruct_images(
        module.to(Share().device),
        manifest,
        pipeline,
        inference_folder(folder.root, request.output_dir),
        model_source(checkpoint, folder.root),
        progress_bar(console or _silent()),
        batch_size=request.batch_size,
        writer=image_writer(request.output_format, spec),
        metrics=[metric.name for metric in loaded.config.metrics] if loaded else [],
    )


@dataclass(frozen=True)
class SweepRequest:
    """Which ways to sample to compare.

    Args:
        model_dir: the model folder.
        csv: real images, best of subjects that the model was not trained on.
        checkpoint: the checkpoint; None: the best, else the last.
        samplers: which; none: all of the family.
        steps: how many steps each is tried with.
        count: images per setting.
        batch_size: images sampled together.
        seed: decides the noise, the same for every setting.
        extractor, extractor_weights: what turns images into features.
    """

    model_dir: Path
    csv: Path
    checkpoint: Path | None = None
    samplers: tuple[str, ...] = ()
    steps: tuple[int, ...] = (10, 25, 50)
    count: int = 64
    batch_size: int = 16
    seed: int = 0
    extractor: str = "efficientnet-lite0"
    extractor_weights: Path | None = None


def sweep_sampler(request: SweepRequest, console: "Console | None" = None) -> "SweepResult":
    """Find the sampler and the steps that give the best images for the time; ``generate`` uses them from then on.

    Raises:
        ConfigError: the family has no samplers, an unknown one is asked for, or the images are not like those it was
            trained on.
        DataError: an image cannot be used.
        CheckpointError: there is no usable checkpoint; nothing is written.
    """
    from gandlf_synth.training.folder import ModelFolder

    folder = ModelFolder(request.model_dir)
    loaded = _inference_config(None, folder)
    module = load_model(request.model_dir, request.checkpoint)

    from gandlf_synth.display.progress import progress_bar
    from gandlf_synth.evaluation.sweep import sweep_samplers
    from gandlf_synth.metrics.extractors import build_extractor
    from gandlf_synth.models.base import SamplingOptions
    from gandlf_synth.synthesis.sharing import Share

    if not module.samplers:
        what = f"{module.config.model_name!r} samples in one way only, so that there is nothing to compare"
        raise ConfigError(Problem("model_config.model_name", what))
    for name in request.samplers:
        module.check_sampling(SamplingOptions(name))
    extractor = build_extractor(request.extractor, request.extractor_weights)
    manifest, pipeline = _inputs(request.csv, module.spec, loaded)
    return sweep_samplers(
        module.to(Share().device),
        manifest,
        pipeline,
        extractor,
        [(name, steps) for name in request.samplers or module.samplers for steps in request.steps],
        folder.root,
        progress_bar(console or _silent()),
        count=request.count,
        batch_size=request.batch_size,
        seed=request.seed,
    )


def _inputs(csv: Path, spec: "DataSpec", loaded: LoadedConfig | None) -> "tuple[Manifest, Pipeline]":
    """Return given images, and what they go through before the model sees them."""
    from gandlf_synth.data.manifest import read_manifest
    from gandlf_synth.data.pipeline import Pipeline, for_phase

    if loaded is not None and loaded.config.patch_sampler is not None:
        what = "the model was trained on patches, and whole images cannot be compared with them"
        raise ConfigError(Problem("patch_sampler", what))
    manifest = read_manifest(csv)
    if manifest.num_columns != len(spec.column_channels):
        what = f"has {manifest.num_columns} channel columns, but the model was trained on {len(spec.column_channels)}"
        raise ConfigError(Problem(str(csv), what))
    steps = for_phase((loaded.config.data_preprocessing.of("inference") if loaded else None) or [], "inference")
    return manifest, Pipeline(steps, spec.column_channels, spec.shape)


def _check_reconstructs(name: str) -> None:
    able = [other for other in registry.names("models") if "reconstruction" in registry.load("models", other).tasks]
    if name not in able:
        what = f"{name!r} synthesises new images and cannot reconstruct given ones"
        raise ConfigError(Problem("model_config.model_name", what, listing(able)))


def _inference_config(config: Path | None, folder: Any) -> LoadedConfig | None:
    if config is not None:
        return load_config(config)
    return load_config(folder.resolved_config) if folder.resolved_config.is_file() else None


def _parameters(request: GenerationRequest, loaded: LoadedConfig | None, found: Path) -> InferenceParameters:
    base = loaded.config.inference_parameters if loaded else InferenceParameters()
    if found.is_file() and not (base.sampler or base.num_inference_steps or request.sampler):
        base = base.model_copy(update=json.loads(found.read_text(encoding="utf-8")))
    names = ("batch_size", "output_format", "sampler", "num_inference_steps", "guidance_scale")
    given = {name: getattr(request, name) for name in names if getattr(request, name) is not None}
    return base.model_copy(update=given)


def _silent() -> "Console":
    from rich.console import Console

    return Console(quiet=True)
