"""New images from a trained model: from nothing but a seed, or from the rows of a CSV."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from gandlf_synth.api.models import GivenRows, configuration_of, given_images, given_rows
from gandlf_synth.config import Document, InferenceParameters, LoadedConfig, Step
from gandlf_synth.config.component import steps_as_written
from gandlf_synth.config.messages import problems_of
from gandlf_synth.errors import ConfigError, Problem, option
from gandlf_synth.files import TakesPaths, read_json
from gandlf_synth.model_folder import InferenceFolder, ModelFolder
from gandlf_synth.ranks import Ranks, meet

if TYPE_CHECKING:
    from rich.console import Console

    from gandlf_synth.data.formats.writers import Writer
    from gandlf_synth.data.loading.spec import DataSpec
    from gandlf_synth.display.console import Reporter
    from gandlf_synth.models.base import GenerativeModule
    from gandlf_synth.progress import Progress
    from gandlf_synth.signing import Signer
    from gandlf_synth.synthesis.choose_layout import LayoutChoice
    from gandlf_synth.synthesis.copies import CopyGate
    from gandlf_synth.synthesis.generate import GenerationResult
    from gandlf_synth.synthesis.layout import Layout
    from gandlf_synth.synthesis.requests import ImageRequest

DEFAULT_SEED = 42


@dataclass(frozen=True)
class GenerationRequest(TakesPaths):
    """What to synthesise; None takes the model's or the configuration's own value.

    Args:
        model_dir: the model folder.
        output_dir: where ``<model folder>_inference_output[_k]`` is made; None: inside the model folder.
        config: the YAML, for its ``inference_parameters``; None: those that the model was trained with.
        checkpoint: the checkpoint; None: the best, else the last.
        csv: what images are made from, one row each; None: new images.
        counts: how many images, or how many per class name or label; not with ``csv``.
        per_class: that many of every class; not with ``csv``.
        seed: decides the images.
        only: make only these indices, or these rows of ``csv``.
        batch_size, output_format, sampler, num_inference_steps, guidance_scale, precision, n_samples, average, overlap,
            jump_length, jump_n_sample: as in ``inference_parameters``.
        resume: finish an earlier, interrupted call with the same arguments: make only what is missing.
        refuse_copies: the CSV that the model was trained on; images that look like one of its own are made again.
        layout: ``plain``, or ``bids`` for a derivative dataset of BIDS.
        bids_suffix: what the files of each channel column are in BIDS, such as T1w; none: as the columns are called.
        skull_stripped: what BIDS wants to be told: whether everything but the brain is 0.
        sign_key: a file with an Ed25519 private key that signs the images and their sidecars.

    >>> request = GenerationRequest("model", counts={"glioma": 8}, sampler="ddim", num_inference_steps=25)
    >>> request.model_dir.name, request.seed
    ('model', None)
    """

    model_dir: Path
    output_dir: Path | None = None
    config: Path | None = None
    checkpoint: Path | None = None
    csv: Path | None = None
    counts: int | dict[str, int] | None = None
    per_class: int | None = None
    seed: int | None = None
    only: frozenset[int] | None = None
    batch_size: int | None = None
    output_format: str | None = None
    sampler: str | None = None
    num_inference_steps: int | None = None
    guidance_scale: float | None = None
    precision: str | None = None
    n_samples: int | None = None
    average: int | None = None
    overlap: float | None = None
    jump_length: int | None = None
    jump_n_sample: int | None = None
    resume: bool = False
    refuse_copies: Path | None = None
    layout: str = "plain"
    bids_suffix: tuple[str, ...] = ()
    skull_stripped: bool = False
    sign_key: Path | None = None


class ModelLoader:
    """Loads what images are made with; a program that makes images again and again keeps it, by overriding this."""

    def load(self, checkpoint: Path, model_name: str | None) -> "GenerativeModule":
        """Return the model in ``checkpoint``, which must be of the family ``model_name`` where one is named."""
        from gandlf_synth.models.checkpoint import load_module

        return load_module(checkpoint, model_name)

    def build_gate(self, csv: Path, spec: "DataSpec", loaded: LoadedConfig | None) -> "CopyGate":
        """Return the gate that copies of the images in ``csv`` do not pass."""
        from gandlf_synth.data.loading.network_input import batches_of
        from gandlf_synth.synthesis.copies import build_copy_gate

        manifest, pipeline = given_images(csv, spec, loaded)
        subjects = [sample.subject for sample in manifest.samples]
        return build_copy_gate(batches_of(manifest, pipeline, spec), subjects, str(csv))


@dataclass(frozen=True)
class GenerationPlan:
    """What ``generate`` would do.

    Args:
        images: how many images.
        checkpoint: the model.
        sampling: how it samples.
        output_format: the file format.
    """

    images: int
    checkpoint: Path
    sampling: Mapping[str, object]
    output_format: str


def plan_generation(request: GenerationRequest) -> GenerationPlan:
    """Return what ``generate`` would do, having checked everything; writes nothing.

    Raises:
        ConfigError, CheckpointError: as ``generate``.
    """
    job = _check_job(request, ModelLoader())
    if job.rows is not None:
        job.rows.reader(job.module.spec).check_regions(job.rows.samples)
    images = len(job.rows.samples) * job.parameters.n_samples if job.rows else len(job.images)
    return GenerationPlan(images, job.checkpoint, job.sampling, job.parameters.output_format)


@dataclass(frozen=True)
class _Job:
    """A request with everything that it leaves open filled in."""

    checkpoint: Path
    loaded: LoadedConfig | None
    module: "GenerativeModule"
    parameters: InferenceParameters
    counts: int | dict[str, int]
    seed: int
    images: "list[ImageRequest]"
    writer: "Writer | None"
    """What writes a file per image; None for a store."""
    rows: GivenRows | None
    layout: "LayoutChoice"
    signer: "Signer | None"
    output_dir: Path | None
    store_url: str | None
    """Where the store goes, if not into ``output_dir``."""

    def ordered(self, folder: Path) -> "Layout":
        """Return how ``folder`` is ordered."""
        return self.layout.build(folder, self.module.spec.column_names, self.rows.manifest.samples if self.rows else ())

    @property
    def sampling(self) -> Mapping[str, object]:
        from gandlf_synth.models.sampling import sampling_record

        sampling = sampling_record(self.module, self.parameters)
        if self.rows is None or not self.rows.task.projects:
            return sampling
        return {**sampling, **self.module.inpainting_defaults(self.parameters)}

    @property
    def postprocessing(self) -> Sequence[Step]:
        """What is done to every image before it is written."""
        return (self.loaded.config.data_postprocessing.inference if self.loaded else None) or []

    def record(self, source: Mapping[str, object], gate: "CopyGate | None") -> dict[str, object]:
        """Return everything that decides the images, by which a call that goes on knows an interrupted one.

        Args:
            source: what every image's provenance says of the model.
            gate: what copies do not pass.
        """
        record = {**source, **self.parameters.model_dump(mode="json"), "images": [image.index for image in self.images]}
        if self.rows is not None:
            record["rows"] = self.rows.record()
        if gate is not None:
            record["copy_limit"] = gate.limit.score
        record |= self.layout.record()
        if self.signer is not None:
            record["signed_by"] = self.signer.public_key.fingerprint
        record |= {"n_images_to_generate": self.counts, "sampling": self.sampling}
        return record | ({"store_url": self.store_url} if self.store_url else {})


def _check_job(request: GenerationRequest, loader: ModelLoader) -> _Job:
    """Return what is to be done, with everything checked that can be wrong."""
    folder = ModelFolder(request.model_dir)
    checkpoint = folder.choose_checkpoint(request.checkpoint)
    loaded = configuration_of(request.config, folder)

    from gandlf_synth.data.formats.writers import choose_writer
    from gandlf_synth.signing import read_signer
    from gandlf_synth.synthesis.choose_layout import LayoutChoice
    from gandlf_synth.synthesis.requests import ImageRequest, image_requests
    from gandlf_synth.synthesis.row_files import check_grids, check_maps
    from gandlf_synth.synthesis.row_task import check_copies, check_needs_rows
    from gandlf_synth.synthesis.store_files import STORE, check_for_store, check_no_store, output_places

    module = loader.load(checkpoint, loaded.config.model.model_name if loaded else None)
    parameters = sampling_parameters(request, loaded, folder.sampling)
    module.check_sampling(parameters)
    counts = request.counts if request.counts is not None else parameters.n_images_to_generate
    if request.per_class is not None:
        counts = dict.fromkeys(module.spec.class_names, request.per_class) or request.per_class
    seed = request.seed if request.seed is not None else (loaded.config.seed if loaded else DEFAULT_SEED)
    spec = module.spec
    rows, images = None, list[ImageRequest]()
    if request.csv is not None:
        _check_no_counts(request)
        check_no_store(parameters.output_format)
        rows = given_rows(request.csv, spec, loaded, module.config.model_name, request.only)
        check_copies(rows.task, request.refuse_copies)
    else:
        check_needs_rows(spec.parts)
        images = image_requests(counts, spec, seed, request.only)
    exact, layout = rows is not None, LayoutChoice(request.layout, request.bids_suffix, request.skull_stripped)
    writer = None
    if parameters.output_format == STORE and not exact:
        check_for_store(layout, request.sign_key)
    else:
        writer = choose_writer(
            parameters.output_format, spec.modality, spec.spatial_dims, spec.dtype, exact=exact,
            grid=None if rows else spec.geometry,
        )  # fmt: skip
        layout = layout.checked(spec, writer, request.output_dir or request.model_dir)
        if rows is not None:
            check_maps(writer, parameters.n_samples)
            check_grids(writer, rows.manifest, rows.samples, rows.task, rows.scans)
    signer = read_signer(request.sign_key) if request.sign_key else None
    output, url = output_places(request.output_dir, is_store=writer is None)
    return _Job(checkpoint, loaded, module, parameters, counts, seed, images, writer, rows, layout, signer, output, url)


def _check_no_counts(request: GenerationRequest) -> None:
    if request.counts is not None or request.per_class is not None:
        what = f"says how many images, and so does the CSV of {option('csv')}: one of each row"
        fix = f"leave it out; {option('n_samples')} makes several of each row"
        raise ConfigError(Problem(option("counts" if request.counts is not None else "per_class"), what, fix=fix))


def generate(
    request: GenerationRequest,
    console: "Console | None" = None,
    *,
    loader: ModelLoader | None = None,
    progress: "Progress | None" = None,
) -> "GenerationResult":
    """Synthesise images with a trained model.

    Args:
        request: what to make.
        console: where a person reads what is done; None: nowhere.
        loader: loads the model.
        progress: shows how far it is; None: a bar on ``console``.

    Raises:
        ConfigError: the configuration is wrong, or asks for what the model cannot do.
        CheckpointError: there is no usable checkpoint; nothing is written.
    """
    ranks, loader = meet(), loader or ModelLoader()
    with ranks.together():
        job = _check_job(request, loader)
        if job.rows is not None:
            job.rows.reader(job.module.spec).check_regions(ranks.shard(job.rows.samples))

        from gandlf_synth.display.console import Reporter, progress_bar, silent_console
        from gandlf_synth.synthesis.output import folder_for, model_source

        source = {**model_source(job.module, job.checkpoint, request.model_dir), "user_seed": job.seed}
        csv = request.refuse_copies
        gate = loader.build_gate(csv, job.module.spec, job.loaded) if csv else None
        record = job.record(source, gate)
    ranks.check_same("model or configuration", record)
    terminal = (console if ranks.is_first else None) or silent_console()
    with ExitStack() as lock:
        output = None
        with ranks.together():
            if ranks.is_first:
                output = folder_for(request.model_dir, job.output_dir, record, resume=request.resume)
                lock.enter_context(InferenceFolder(output).locked())
                InferenceFolder(output).remove_unfinished()
        folder, reporter = Path(ranks.broadcast(str(output))), Reporter(terminal)
        bar = progress or progress_bar(terminal)
        if job.writer is None:
            return _into_store(job, folder, record, source, reporter, bar, ranks, gate)
        if job.rows is not None:
            return _from_rows(job, job.rows, job.writer, folder, source, reporter, bar, ranks, gate)

        from gandlf_synth.synthesis.generate import generate_images

        return generate_images(
            job.module.to(ranks.device), job.images, job.ordered(folder), source, reporter, bar,
            batch_size=job.parameters.batch_size, writer=job.writer, options=job.parameters, ranks=ranks,
            postprocessing=job.postprocessing, gate=gate, signer=job.signer,
        )  # fmt: skip


def _into_store(
    job: _Job, folder: Path, record: Mapping[str, object], source: Mapping[str, object], reporter: "Reporter",
    bar: "Progress", ranks: Ranks, gate: "CopyGate | None",
) -> "GenerationResult":  # fmt: skip
    from gandlf_synth.synthesis.store_files import generate_store, store_place

    store = store_place(job.store_url, folder, record, ranks)
    return generate_store(
        job.module.to(ranks.device), job.images, folder, store, source, reporter, bar, options=job.parameters,
        batch_size=job.parameters.batch_size, ranks=ranks, postprocessing=job.postprocessing, gate=gate,
    )  # fmt: skip


def _from_rows(
    job: _Job, rows: GivenRows, writer: "Writer", folder: Path, source: Mapping[str, object], reporter: "Reporter",
    bar: "Progress", ranks: Ranks, gate: "CopyGate | None",
) -> "GenerationResult":  # fmt: skip
    from gandlf_synth.provenance import software_versions
    from gandlf_synth.synthesis.from_rows import RowSampler, generate_from_rows
    from gandlf_synth.synthesis.row_files import RowFiles

    parameters, spec = job.parameters, job.module.spec
    about = {**source, "sampling": dict(job.sampling), "software": software_versions()}
    if job.postprocessing:
        about["postprocessing"] = steps_as_written(job.postprocessing)
    files = RowFiles(
        job.ordered(folder), rows.manifest, spec, rows.task, writer, about, parameters.n_samples, job.postprocessing,
        job.signer,
    )  # fmt: skip
    return generate_from_rows(
        RowSampler(job.module.to(ranks.device), parameters, job.seed, gate), rows.reader(spec), files, rows.samples,
        reporter, bar, ranks=ranks,
        rows_together=max(1, parameters.batch_size // (parameters.n_samples * parameters.average)),
    )  # fmt: skip


def sampling_parameters(request: GenerationRequest, loaded: LoadedConfig | None, sweep: Path) -> InferenceParameters:
    """Return the options of the request, else of the configuration, else what a sweep found best."""
    parameters = loaded.config.inference_parameters if loaded else InferenceParameters()
    if sweep.is_file() and not (parameters.sampler or parameters.num_inference_steps or request.sampler):
        parameters = parameters.model_copy(update=read_json(sweep))
    names = [name for name in InferenceParameters.model_fields if getattr(request, name, None) is not None]
    options = {name: getattr(request, name) for name in names}
    try:
        return InferenceParameters.model_validate({**dict(parameters), **options})
    except ValidationError as error:
        document = Document("GenerationRequest", options, places={(name,): option(name) for name in names})
        raise ConfigError(*problems_of(error, document, InferenceParameters)) from error
