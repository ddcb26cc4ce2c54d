"""Synthetic images as a store: a few large files and one index, where a file for each would be too many."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from gandlf_synth import registry
from gandlf_synth.config import SamplingOptions, Step
from gandlf_synth.config.component import steps_as_written
from gandlf_synth.data.formats.image import Image
from gandlf_synth.data.formats.shards.encoding import StoredType
from gandlf_synth.data.formats.shards.index import (
    SHARDS,
    IndexPart,
    Preparation,
    StoreDescription,
    shard_name,
    write_index,
)
from gandlf_synth.data.formats.shards.location import Location, as_place, as_url
from gandlf_synth.data.loading.shard_writer import ShardWriter, write_shard
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.value_range import to_file_values
from gandlf_synth.data.table.manifest import Sample
from gandlf_synth.display.console import Reporter
from gandlf_synth.errors import ConfigError, Problem, listing, option
from gandlf_synth.model_folder import InferenceFolder
from gandlf_synth.models.base import GenerativeModule
from gandlf_synth.models.sampling import sampling_record
from gandlf_synth.progress import Progress
from gandlf_synth.provenance import SYNTHETIC_MARK, digest, software_versions
from gandlf_synth.ranks import Ranks
from gandlf_synth.synthesis.choose_layout import LayoutChoice
from gandlf_synth.synthesis.copies import CopyGate
from gandlf_synth.synthesis.generate import GenerationResult, accepted_images
from gandlf_synth.synthesis.requests import ImageRequest
from gandlf_synth.synthesis.sample_sheet import Made, SampleSheet

STORE = "store"
"""The format, and the folder of the store."""
_BEGUN = "request.digest"
"""The file that says of which call a store behind a URL is."""
_SHARD_BYTES = 256_000_000
_VALUE_BYTES: Mapping[StoredType, int] = {"int16": 2, "float16": 2, "float32": 4}


def check_for_store(layout: LayoutChoice, sign_key: Path | None) -> None:
    """Refuse what is asked of single files, of which a store has none.

    Raises:
        ConfigError: a layout, or a signature.
    """
    name = "layout" if layout != LayoutChoice() else "sign_key" if sign_key else ""
    if name:
        what = "is for single files, and a store has none"
        raise ConfigError(Problem(option(name), what, fix="leave it out, or choose another format"))


def check_no_store(output_format: str) -> None:
    """Refuse a store for what is made from given images, which goes beside them.

    Raises:
        ConfigError: it is asked for.
    """
    if output_format == STORE:
        what = "'store' is for new images; what is made from given ones goes into files of their own"
        allowed = listing(["auto", *registry.names("writers")])
        raise ConfigError(Problem("inference_parameters.output_format", what, allowed))


def output_places(output_dir: Path | None, *, is_store: bool) -> tuple[Path | None, str | None]:
    """Return where ``-i-dir`` puts the folder of a call, and the URL under which it puts the store.

    A URL gets the store alone; log, record and contact sheet are in the model folder then.

    Raises:
        ConfigError: a URL, for anything but a store.
        ResourceError: a URL that can only be read.
    """
    url = None if output_dir is None else as_url(output_dir)
    if url is None:
        return output_dir, None
    if not is_store:
        fix = f"give a folder, or --format {STORE}"
        raise ConfigError(
            Problem(f"{option('output_dir')} {url}", "is a URL, where only a store can be written", fix=fix)
        )
    Location(url).check_writable()
    return None, url


def store_place(url: str | None, folder: Path, record: Mapping[str, Any], ranks: Ranks) -> Location:
    """Return where the store of a call goes.

    Args:
        url: under which it goes; None: into ``folder``.
        folder: of the call.
        record: what decides the images.
        ranks: the processes of the call.

    Raises:
        ConfigError: other images have been begun there.
    """
    if url is None:
        return Location(folder / STORE)
    place, begun = Location(f"{url}/{folder.name}/{STORE}"), digest(record).encode()
    with ranks.together():
        if ranks.is_first and place.has(_BEGUN):
            if place.read(_BEGUN) != begun:
                what, fix = "holds images of another call", "name another place, or remove it"
                raise ConfigError(Problem(f"store {place}", what, fix=fix))
        elif ranks.is_first:
            place.write(_BEGUN, begun)
    return place


def generate_store(
    module: GenerativeModule,
    requests: Sequence[ImageRequest],
    folder: Path,
    location: Location,
    source: Mapping[str, Any],
    reporter: Reporter,
    bar: Progress,
    *,
    batch_size: int,
    options: SamplingOptions,
    ranks: Ranks,
    postprocessing: Sequence[Step] = (),
    gate: CopyGate | None = None,
    shard_bytes: int = _SHARD_BYTES,
) -> GenerationResult:
    """Make every requested image whose shard is not there yet, in the units and the number type of the data.

    Whole numbers of 8 and 16 bits are kept exactly, in 16 bits; others as float32.

    Args:
        module: the trained model.
        requests: the images.
        folder: where log and contact sheet go.
        location: where the store goes.
        source: what the provenance says of the model.
        reporter: says what was done.
        bar: shows progress.
        batch_size: images sampled together.
        options: how to sample.
        ranks: the processes that share the shards out.
        postprocessing: what is done to every image before it is written.
        gate: what no copy of a training image passes.
        shard_bytes: of a shard, about.

    Raises:
        TrainingError: the model makes hardly anything but copies.
        ResourceError: the disk is full.
    """
    spec, place = module.spec, InferenceFolder(folder)
    if ranks.is_first:
        reporter.open_log(place.log_file)
    stored_type = _stored_type(spec)
    per_shard = max(1, shard_bytes // (_VALUE_BYTES[stored_type] * spec.num_channels * prod(spec.shape)))
    shards = [requests[start : start + per_shard] for start in range(0, len(requests), per_shard)]
    missing = [number for number in ranks.shard(range(len(shards))) if not location.has(f"{_name(number)}.part")]
    sheet = SampleSheet(spec)
    for number in bar(missing, len(missing), "Generating shards"):
        batches = [shards[number][start : start + batch_size] for start in range(0, len(shards[number]), batch_size)]
        accepted = accepted_images(module, batches, options, gate)
        images = _stored(sheet.pass_on(accepted), spec, postprocessing)
        write_shard(location, number, partial(ShardWriter, stored_type=stored_type), images)
    ranks.barrier()
    if not ranks.is_first:
        return GenerationResult(folder, [], place.contact_sheet)
    sampling = sampling_record(module, options)
    about = {**source, "synthetic": True, "mark": SYNTHETIC_MARK, "sampling": sampling, "software": software_versions()}
    if postprocessing:
        about["postprocessing"] = steps_as_written(postprocessing)
    names = [f"{_name(number)}.part" for number in range(len(shards))]
    parts = [IndexPart.from_bytes(location.read(name), location.at(name)) for name in names]
    whole = write_index(location, _describe(spec, stored_type, about), parts, len(requests))
    sheet.save(place.contact_sheet)
    reporter.say(
        f"{len(requests)} images in {len(whole.shards)} files of the store {location} and {place.contact_sheet}"
    )
    stored = as_place(location.url) if location.url else folder / STORE
    return GenerationResult(folder, [stored], place.contact_sheet)


def _stored_type(spec: DataSpec) -> StoredType:
    dtype = np.dtype(spec.dtype)
    return "int16" if np.issubdtype(dtype, np.integer) and dtype.itemsize <= _VALUE_BYTES["int16"] else "float32"


def _name(number: int) -> str:
    return f"{SHARDS}/{shard_name(number)}"


def _stored(accepted: Iterable[Made], spec: DataSpec, steps: Sequence[Step]) -> Iterator[tuple[Sample, str, Image]]:
    """Yield every image in the units of the data, with its row and its key."""
    for request, image, more in accepted:
        index = request.class_index
        label, name = (None, None) if index is None else (spec.labels[index], spec.class_names[index])
        extra = {"seed": str(request.seed), **{key: str(value) for key, value in more.items()}}
        subject = f"generated_image_{request.index}"
        sample = Sample(request.index + 1, subject, (), label=label, label_name=name, extra=extra)
        values = Image.from_file_values(to_file_values(image, spec, steps), spec.geometry)
        yield sample, digest([request.index, request.seed]), values


def _describe(spec: DataSpec, stored_type: StoredType, provenance: Mapping[str, Any]) -> StoreDescription:
    return StoreDescription(
        kind="images", stored_type=stored_type, number_type=spec.dtype, spatial_dims=spec.spatial_dims,
        num_channels=spec.num_channels, count=0, preparation=Preparation(column_channels=list(spec.column_channels)),
        labels=dict(zip(spec.labels, spec.class_names, strict=True)), extra_columns=["seed"],
        subject_rule="each row its own, because the images are synthetic", names_identify=False,
        provenance=dict(provenance),
    )  # fmt: skip
