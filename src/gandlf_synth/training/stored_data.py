"""Training from a store: what the store decides, what the configuration must leave as it is, and the samples."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue, TypeAdapter, ValidationError

from gandlf_synth.config import Config, Document, LoadedConfig, Phase, PhasedSteps
from gandlf_synth.config.component import steps_as_written
from gandlf_synth.config.schema import PatchSampler
from gandlf_synth.config.size import bytes_of
from gandlf_synth.data.formats.cache_folder import default_cache, writable_cache
from gandlf_synth.data.formats.shards.index import Store, StoreDescription, is_store, open_store, store_location
from gandlf_synth.data.formats.shards.local_copies import LocalShards
from gandlf_synth.data.formats.shards.location import as_place
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.processing.pipeline import for_phase
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.data.table.stored_manifest import StoredManifest, rows_of_store, store_cell
from gandlf_synth.data.table.stored_scans import StoredScans
from gandlf_synth.errors import ConfigError, DataError, Problem, option, raise_if_any

if TYPE_CHECKING:
    from gandlf_synth.data.loading.stored_samples import StoredSamples

_FACTS = TypeAdapter(Fingerprint)
WINDOW = 16
"""Shards that are shuffled together where they are fetched: 4 GB."""


def chosen_data(document: Document, csv: Path | None, name: str) -> Path:
    """Return the training data: the CSV or store that is given, or else the store that the configuration names.

    Args:
        document: the configuration as written.
        csv: what is given.
        name: of the option that gives it.

    Raises:
        ConfigError: there is none, or both, and they differ.
    """
    section = document.content.get("data_store")
    place = section.get("location") if isinstance(section, dict) else None
    if csv is None and not isinstance(place, str):
        fix = f"give a CSV or a store with {option(name)}, or write data_store.location into the YAML"
        raise ConfigError(Problem(option(name), "is missing: nothing says what to train on", fix=fix))
    if csv is not None and isinstance(place, str) and store_location(place).at("") != store_location(csv).at(""):
        what = f"is {csv}, and the configuration trains from the store {place}"
        fix = f"leave {option(name)} out to train from the store, or take data_store.location out of the YAML"
        raise ConfigError(Problem(option(name), what, fix=fix))
    return as_place(csv or str(place))


def read_store(place: Path, config: Config | None) -> Manifest:
    """Return the rows of a prepared store; of one that ``generate`` wrote, those of a table of images.

    Raises:
        DataError: the store is damaged or not complete.
        ResourceError: its server fails.
    """
    store = open_store(store_location(place), local_folder(config))
    return StoredManifest.of(store) if store.description.kind == "prepared" else rows_of_store(place)


def local_folder(config: Config | None) -> Path:
    """Return where copies of parts of a store go on this machine."""
    if config is not None and config.data_store.local:
        return Path(config.data_store.local)
    cache = Path(config.cache_dir) if config is not None and config.cache_dir else default_cache()
    return writable_cache(cache) / "stores"


def is_stored(place: Path | None) -> bool:
    """Say whether training data is a store."""
    return place is not None and is_store(place)


def with_store(loaded: LoadedConfig, splits: Mapping[Phase, Manifest]) -> LoadedConfig:
    """Return the configuration with what the store of the training images decides.

    Raises:
        ConfigError: it says something else.
        DataError: some splits are stores and others are not, or they were prepared otherwise.
    """
    stored = {phase: split for phase, split in splits.items() if isinstance(split, StoredManifest)}
    mixed = [
        Problem(
            str(split.path), f"is a CSV for {phase}, and the training images are a store", fix=_prepare_alike(phase)
        )
        for phase, split in splits.items()
        if phase not in stored and "train" in stored
    ]
    if stored and "train" not in stored:
        fix = "prepare the training images too, or give CSVs for all"
        mixed = [Problem(str(splits["train"].path), "is a CSV, and other splits are stores", fix=fix)]
    raise_if_any(mixed, DataError)
    if "train" not in stored:
        return loaded
    store = stored["train"].store
    loaded = as_prepared(loaded, store.description, str(store.location))
    raise_if_any(
        [problem for phase, split in stored.items() for problem in _differing(phase, split, loaded, store)], DataError
    )
    if loaded.config.data_store.shuffle_window != "auto":
        return loaded
    section = loaded.config.data_store.model_copy(
        update={"shuffle_window": shuffle_window(stored["train"], loaded.config)}
    )
    return replace(loaded, config=loaded.config.model_copy(update={"data_store": section}))


def _prepare_alike(phase: Phase) -> str:
    return f"prepare them alike: gandlf-synth prepare --phase {phase} --like STORE"


def as_prepared(loaded: LoadedConfig, about: StoreDescription, where: str) -> LoadedConfig:
    """Return a configuration with the preprocessing and the size of a store, where it does not contradict them.

    Raises:
        ConfigError: every value that is not as the store was prepared.
    """
    config, done = loaded.config, about.preparation
    written = config.data_preprocessing.model_dump(mode="json")
    claims: dict[tuple[str, ...], str] = {}
    if written and written not in (done.written, done.phases):
        claims["data_preprocessing",] = f"differs from that of the store {where}: {_named(done.written or done.phases)}"
    shape = config.model.tensor_shape
    if done.shape is not None and shape not in ("auto", done.shape):
        claims["model_config", "tensor_shape"] = f"is {shape}, and the images of the store {where} have {done.shape}"
    if config.patch_sampler is not None and done.shape is not None:
        has = "images of one size, and no volumes for patches"
        claims["patch_sampler",] = f"does not go with the store {where}, which holds {has}"
    fix = "leave it out, or prepare the images again with this configuration"
    problems = [Problem(loaded.document.where(key), what, fix=fix) for key, what in claims.items()]
    draws_itself = config.model.keeps_resolution and shape == "auto"
    if config.patch_sampler is None and done.shape is None and not draws_itself:
        what = f"is missing, and the store {where} holds whole volumes for patches"
        fix = "write patch_sampler and model_config.tensor_shape, or prepare the images again with this configuration"
        problems.append(Problem(loaded.document.where(("patch_sampler",)), what, fix=fix))
    raise_if_any(problems, ConfigError)
    changes: dict[str, Any] = {"data_preprocessing": PhasedSteps.model_validate(done.phases)}
    if done.shape is None and config.patch_sampler is None:
        changes["patch_sampler"] = PatchSampler()
    if done.shape is not None and shape == "auto":
        changes["model"] = config.model.with_values(tensor_shape=done.shape)
    return replace(loaded, config=config.model_copy(update=changes))


def _named(steps: Mapping[str, Any]) -> str:
    return "; ".join(f"{phase}: {one}" for phase, one in list(steps.items())[:1])


def _differing(phase: Phase, split: StoredManifest, loaded: LoadedConfig, train: Store) -> list[Problem]:
    """Return what makes a store no split of this phase."""
    own, other = split.store.description, train.description
    wanted = steps_as_written(for_phase(loaded.config.data_preprocessing.of(phase) or [], phase))
    same = ("shape", "column_channels", "source_channels")
    differs = [name for name in same if getattr(own.preparation, name) != getattr(other.preparation, name)]
    if own.preparation.steps != wanted:
        differs.append(f"data_preprocessing (it is made for {own.preparation.phase}, and here it is used for {phase})")
    what = f"was prepared otherwise than the configuration says for {phase}: {', '.join(differs)}"
    where = f"store {split.store.location}"
    return [Problem(where, what, fix=_prepare_alike(phase))] if differs else []


def stored_facts(splits: Mapping[Phase, Manifest]) -> Fingerprint | None:
    """Return what is known of the images of a store; None where the training images are none."""
    train = splits.get("train")
    if not isinstance(train, StoredManifest):
        return None
    facts = facts_from_json(train.store.description.facts, str(train.path))
    return replace(facts, mask_labels=train.mask_labels)


def stored_scans(splits: Mapping[Phase, Manifest]) -> StoredScans:
    """Return what stands for the scans of files that are parts of stores."""
    stores = [split.store for split in splits.values() if isinstance(split, StoredManifest)]
    return StoredScans({store_cell(store): store for store in stores})


def check_kept(config: Config, facts: Fingerprint, train: StoredManifest) -> None:
    """Refuse a store that lacks what a model is made from.

    Raises:
        ConfigError: what it is.
    """
    if looks_at_sources(config, facts, train) and not train.store.description.preparation.source_channels:
        what = f"needs source images, and the store {train.path} lacks them"
        fix = "prepare the images again with this configuration"
        raise ConfigError(Problem("model_config.conditioning", what, fix=fix))


def stored_samples(manifest: StoredManifest, config: Config, *, with_sources: bool = True) -> "StoredSamples":
    """Return the samples of a store, whose shards are fetched where it does not lie on a disk or ``local`` says so.

    Args:
        manifest: the rows.
        config: the resolved configuration.
        with_sources: whether the sources are looked at that the store may keep beside the images.
    """
    from gandlf_synth.data.loading.stored_samples import StoredSamples  # imports torch

    limit = None if config.cache_size is None else bytes_of(config.cache_size)
    local = local_folder(config)
    shards = LocalShards(manifest.store, local if copies_shards(manifest, config) else None, limit)
    folder = shards.folder or local / f"in-place-{manifest.store.description.content}"
    folder.mkdir(parents=True, exist_ok=True)
    images = sum(manifest.store.description.preparation.column_channels)
    return StoredSamples(manifest, shards, folder, None if with_sources else images)


def copies_shards(manifest: StoredManifest, config: Config) -> bool:
    """Say whether shards are copied before they are read."""
    return manifest.store.location.folder is None or config.data_store.local is not None


def shuffle_window(manifest: StoredManifest, config: Config) -> int:
    """Return how many shards are shuffled together: all that are at hand, else so many that the next ones fit too."""
    files = manifest.store.description.shards
    if not copies_shards(manifest, config):
        return len(files)
    if config.cache_size is None:
        return min(WINDOW, len(files))
    room = bytes_of(config.cache_size) // (2 * max(file.size for file in files))
    return max(1, min(WINDOW, len(files), room))


def looks_at_sources(config: Config, facts: Fingerprint, train: Manifest) -> bool:
    """Say whether a model is made from the images in the source columns."""
    from gandlf_synth.data.loading.conditioners import images_read
    from gandlf_synth.training.data import conditions_of

    return "sources" in images_read(conditions_of(config, facts, train))


def facts_to_json(facts: Fingerprint) -> dict[str, JsonValue]:
    """Return facts of images as a store keeps them; problems name rows of the CSV and stay out."""
    units, sources = (tuple(replace(unit, problems=()) for unit in side) for side in (facts.units, facts.source_units))
    content: dict[str, JsonValue] = _FACTS.dump_python(replace(facts, units=units, source_units=sources), mode="json")
    return content


def facts_from_json(content: dict[str, JsonValue], where: str) -> Fingerprint:
    """Return the facts that a store keeps.

    Raises:
        DataError: they are damaged.
    """
    try:
        return _FACTS.validate_python(content)
    except ValidationError as error:
        raise DataError(
            Problem(where, f"is damaged: {error.errors()[0]['msg']}", fix="prepare the store again")
        ) from error
