"""Samples a trained model and writes the images, each with its provenance."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gandlf_synth.config import SamplingOptions, Step
from gandlf_synth.config.component import steps_as_written
from gandlf_synth.data.formats.writers import Writer
from gandlf_synth.display.console import Reporter
from gandlf_synth.errors import Problem, TrainingError, listing
from gandlf_synth.model_folder import InferenceFolder
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.sampling import sample_batches, sampling_record
from gandlf_synth.progress import Progress
from gandlf_synth.provenance import Purpose, fold_seed, software_versions
from gandlf_synth.ranks import Ranks
from gandlf_synth.signing import Signer
from gandlf_synth.synthesis.copies import TRIES, CopyGate
from gandlf_synth.synthesis.image_files import ImageFiles, format_remarks
from gandlf_synth.synthesis.layout import Layout
from gandlf_synth.synthesis.requests import ImageRequest, sample_batch
from gandlf_synth.synthesis.sample_sheet import Made, SampleSheet


@dataclass(frozen=True)
class GenerationResult:
    """What was written.

    Args:
        folder: where.
        images: every image file, in the order of the requests; empty in all processes but the first.
        sheet: a contact sheet of the first images that this call made.
    """

    folder: Path
    images: list[Path]
    sheet: Path


def generate_images(
    module: GenerativeModule,
    requests: Sequence[ImageRequest],
    layout: Layout,
    source: Mapping[str, Any],
    reporter: Reporter,
    bar: Progress,
    *,
    batch_size: int,
    writer: Writer,
    options: SamplingOptions,
    ranks: Ranks,
    postprocessing: Sequence[Step] = (),
    gate: CopyGate | None = None,
    signer: Signer | None = None,
) -> GenerationResult:
    """Make every requested image that is not there yet and write it with a sidecar JSON beside it.

    Args:
        module: the trained model.
        requests: the images.
        layout: where they go.
        source: what every image's provenance says of the model.
        reporter: says what was done.
        bar: shows progress.
        batch_size: images sampled together.
        writer: the file format.
        options: how to sample.
        ranks: the processes that share the images out.
        postprocessing: what is done to every image before it is written.
        gate: what no copy of a training image passes; such images are made again from other seeds.
        signer: signs the images.

    Raises:
        TrainingError: the model makes hardly anything but copies.
    """
    spec, folder = module.spec, layout.folder
    place = InferenceFolder(folder)
    if ranks.is_first:
        reporter.open_log(place.log_file)
        for remark in format_remarks(writer, spec):
            reporter.say(remark, "yellow")
    sampling = sampling_record(module, options)
    about = {**source, "sampling": sampling, "software": software_versions()}
    if postprocessing:
        about["postprocessing"] = steps_as_written(postprocessing)
    files = ImageFiles(layout, writer, spec, about, postprocessing, signer)
    sheet = SampleSheet(spec)
    batches = ranks.shard([requests[start : start + batch_size] for start in range(0, len(requests), batch_size)])
    missing = [batch for batch in batches if not all(files.paths(request) for request in batch)]
    images = accepted_images(module, bar(missing, len(missing), "Generating"), options, gate)
    for request, image, more in sheet.pass_on(images):
        files.write(request, image, more)
    ranks.barrier()
    if not ranks.is_first:
        return GenerationResult(folder, [], place.contact_sheet)
    written = files.write_csv(place.images_csv, requests)
    files.describe(requests)
    sheet.save(place.contact_sheet)
    settings = ", ".join(f"{name} {value}" for name, value in sampling.items())
    if gate is not None:
        reporter.say(_refusals(files, requests))
    reporter.say(f"{len(requests)} images in {len(written)} files and {place.contact_sheet}; {settings}")
    return GenerationResult(folder, written, place.contact_sheet)


def _refusals(files: ImageFiles, requests: Sequence[ImageRequest]) -> str:
    """Return how many copies all processes and calls refused, and for which images."""
    counts = {str(request.index): int(files.record(request).get("copies_refused", 0)) for request in requests}
    images = [index for index, count in counts.items() if count]
    which = f", for image {listing(images, 20)}" if images else ""
    total = sum(counts.values())
    return f"{total} copies of training images were refused and made again{which}"


def accepted_images(
    module: GenerativeModule, batches: Iterable[Sequence[ImageRequest]], options: SamplingOptions, gate: CopyGate | None
) -> Iterator[Made]:
    """Yield every request of ``batches`` with an image that passes ``gate``, and what to record of it."""
    for request, image in sample_requests(module, batches, options):
        if gate is None:
            yield request, image, {}
        else:
            again = partial(_made_again, module, options, request)
            kept, facts = first_accepted(gate, image, request.seed, again, f"image {request.index}")
            beside = {"not_covered_by_epsilon": sorted(facts)} if module.privacy else {}
            yield request, kept, facts | beside


def _made_again(
    module: GenerativeModule, options: SamplingOptions, request: ImageRequest, seed: int
) -> NDArray[np.float32]:
    ((_, image),) = sample_requests(module, [[replace(request, seed=seed)]], options)
    return image


def first_accepted(
    gate: CopyGate,
    image: NDArray[np.float32],
    first_seed: int,
    make_again: Callable[[int], NDArray[np.float32]],
    where: str,
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Return ``image``, or the first from another seed that is no copy, and what to record of it.

    Args:
        gate: knows the training images.
        image: ``(channels, *shape)`` in [-1, 1].
        first_seed: that it was made from.
        make_again: makes it from another seed.
        where: what it is called in messages.

    Raises:
        TrainingError: every seed gives a copy.
    """
    seed = first_seed
    for refused in range(TRIES):
        (near,) = gate.judge(torch.from_numpy(image)[None])
        if not near.copy:
            facts = {"copies_refused": refused, "sampled_with_seed": seed, "nearest_training_image": near.correlation}
            return image, facts
        seed = fold_seed(first_seed, Purpose.IMAGE_AGAIN, refused + 1)
        image = make_again(seed)
    what = f"is a copy of a training image from each of {TRIES} seeds"
    fix = "train on more subjects, for a shorter time or with a smaller network"
    raise TrainingError(Problem(where, what, fix=fix))


def sample_requests(
    module: GenerativeModule, batches: Iterable[Sequence[ImageRequest]], options: SamplingOptions
) -> Iterator[tuple[ImageRequest, NDArray[np.float32]]]:
    """Yield every request of ``batches`` with its image, ``(channels, *shape)`` in [-1, 1]."""
    module.eval()
    for batch in batches:
        for images in sample_batches(module, [sample_batch(batch)], options):
            yield from zip(batch, images.numpy(), strict=True)
