"""A run that goes on: what of it may change, what may not, and what is taken over from before."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gandlf_synth.config import Config, Document, Phase, Privacy, components_at
from gandlf_synth.config.component import steps_as_written
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.data.table.stored_manifest import StoredManifest
from gandlf_synth.errors import CheckpointError, ConfigError, DataError, Problem, option, raise_if_any
from gandlf_synth.training.data_comparison import as_recorded, data_differences
from gandlf_synth.training.data_record import DataRecord, is_of_store, read_data_record, record_images
from gandlf_synth.training.record import read_run_record
from gandlf_synth.training.request import TrainingRequest, earlier_configuration

if TYPE_CHECKING:
    from gandlf_synth.data.loading.spec import DataSpec
    from gandlf_synth.models.checkpoint import CheckpointContent
    from gandlf_synth.provenance import RunRecord
    from gandlf_synth.training.survey import Survey

_MODEL_MAY_CHANGE = {
    "losses", "optimizers", "schedulers", "gradient_clip_val", "gradient_clip_algorithm", "accumulate_grad_batches",
    "lr_warmup_fraction", "lr_cooldown_fraction", "ema_decay", "save_eval_images_every_n_epochs",
    "n_fixed_images_to_generate", "fixed_images_batch_size", "fixed_latent_vector_seed",
}  # fmt: skip
"""Keys of ``model_config`` that a run which goes on may change."""
_MUST_STAY = ("seed", "modality", "patch_sampler")
_DATA_FACTS = ("spatial_dims", "num_channels", "shape", "physical", "column_channels", "labels", "class_names")
"""What a network is made for."""
_FIX = "restore it (resolved_config.yaml in the model folder has every value of the run), or use another model folder"
_DATA_STATE = "SynthesisDataModule"
"""The key of a checkpoint under which Lightning keeps where in the data the run was."""
_RATIOS: Mapping[Phase, str] = {"val": "val_ratio", "test": "test_ratio"}


@dataclass(frozen=True)
class EarlierRun:
    """What the sessions of a run before this one left.

    Args:
        config: what it was trained with, nothing in it ``auto``.
        record: the run record; None where there is none.
        images: which images it was trained on; None where that is not known.
    """

    config: Config
    record: "RunRecord | None"
    images: DataRecord | None

    @classmethod
    def of(cls, request: TrainingRequest) -> "EarlierRun | None":
        """Return the run that ``request`` goes on with, or None where it begins one."""
        config = earlier_configuration(request)
        if config is None:
            return None
        if config.privacy is not None:  # a YAML of resolved values leaves out what is null
            config = config.model_copy(update={"model": config.model.model_copy(update={"gradient_clip_val": None})})
        return cls(config, read_run_record(request.folder.record), read_data_record(request.folder.data_record))


def check_same_run(earlier: EarlierRun, config: Config, document: Document) -> None:
    """Refuse a configuration under which the run would not be the same one.

    Raises:
        ConfigError: every value that has to stay and does not.
    """
    pairs = list(zip(_fixed(earlier.config), _fixed(config), strict=True))
    if config.privacy is not None:  # who takes part in a step decides what it tells
        pairs.append(((("batch_size",), earlier.config.batch_size), (("batch_size",), config.batch_size)))
    problems = [
        Problem(document.where(path), f"is {now}, and was {before} when the run began", fix=_FIX)
        for (path, before), (_, now) in pairs
        if before != now
    ]
    raise_if_any([*problems, *_other_optimizers(earlier.config, config, document)], ConfigError)


def _fixed(config: Config) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield what decides which numbers the networks see, in which order, with the key path of each."""
    dumped = config.model_dump(mode="json")
    yield from (((key,), dumped[key]) for key in _MUST_STAY)
    phases: tuple[Phase, ...] = ("train", "val", "test")
    for phase in phases:
        yield ("data_preprocessing", phase), steps_as_written(config.data_preprocessing.of(phase) or [])
    budget = config.privacy
    yield from ((("privacy", key), getattr(budget, key, None)) for key in Privacy.model_fields)
    yield ("data_store", "shuffle_window"), config.data_store.shuffle_window
    for key in ("shuffle", "drop_last"):
        yield ("dataloader_config", "train", key), getattr(config.dataloader_config.train, key)


def _other_optimizers(earlier: Config, config: Config, document: Document) -> Iterator[Problem]:
    """Yield optimizers of another name: what one keeps of the steps before means nothing to another."""
    section = ("model_config", "optimizers")
    named = [_names(one.model.optimizers, one.model.networks) for one in (earlier, config)]
    for network, now in named[1].items():
        before = named[0].get(network)
        if before is not None and before.lower() != now.lower():
            yield Problem(document.where(section), f"is {now} for {network}, and was {before}", fix=_FIX)


def _names(components: Any, networks: Sequence[str]) -> dict[str, str]:
    by_path = {path: component.name for path, component in components_at(components, ())}
    return {network: by_path.get((network,), by_path.get((), "")) for network in networks}


def changes(earlier: EarlierRun, config: Config) -> list[str]:
    """Return what is not as it was, one line per value."""
    before, now = (dict(_flat(one.model_dump(mode="json", by_alias=True))) for one in (earlier.config, config))
    keys = sorted(before.keys() | now.keys())
    return [f"{key}: {before.get(key)} → {now.get(key)}" for key in keys if before.get(key) != now.get(key)]


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def go_on_with_data(request: TrainingRequest, survey: "Survey", earlier: EarlierRun) -> "Survey":
    """Return what is known of the images, each in the split and at the place that it had.

    Raises:
        ConfigError: the data is divided by other ratios.
        DataError: every way in which the images differ.
    """
    if earlier.images is None or survey.loaded is None:
        return survey
    config, images = survey.loaded.config, survey.images
    raise_if_any(list(_other_ratios(request, earlier)), ConfigError)
    drawn: list[Phase] = [phase for phase, split in images.splits.items() if split.path == request.train_csv]
    now = record_images(images.splits, images.scans, config)
    if not request.new_data:
        _check_same_kind(images.splits["train"], earlier.images)
    if any(isinstance(split, StoredManifest) for split in images.splits.values()):
        _check_same_store(images.splits, now, earlier.images, new_data=request.new_data)
        return survey
    splits = as_recorded(images.splits, now, earlier.images, drawn)
    now = record_images(splits, images.scans, config)
    raise_if_any(data_differences(splits, now, earlier.images, new_data=request.new_data), DataError)
    return replace(survey, images=replace(images, splits=splits))


def _check_same_kind(train: Manifest, earlier: DataRecord) -> None:
    """Refuse a CSV where a run began with a store, and the reverse: nothing tells whether they hold the same images.

    Raises:
        DataError: it is one.
    """
    began, now = is_of_store(earlier), isinstance(train, StoredManifest)
    if began != now:
        kinds = ("a store", "a CSV") if began else ("a CSV", "a store")
        what = f"is {kinds[1]}, and the run began with {kinds[0]}"
        fix = f"resume with that, or use {option('new_data')} if other images are meant"
        raise DataError(Problem(str(train.path), what, fix=fix))


def _check_same_store(
    splits: Mapping[Phase, Manifest], now: DataRecord, earlier: DataRecord, *, new_data: bool
) -> None:
    """Refuse a store that is not the one with which the run began.

    Raises:
        DataError: the splits of which the images, or how they are stored, are others.
    """
    phases = [phase for phase in dict.fromkeys([*now, *earlier]) if now.get(phase) != earlier.get(phase)]
    if new_data or not phases:
        return
    fix = f"resume with the data that the run began with, or use {option('new_data')} if other images are meant"
    what = f"has other images for {', '.join(phases)} than the run began with, or stores them as another number type"
    raise DataError(Problem(f"store {splits['train'].path}", what, fix=fix))


def _other_ratios(request: TrainingRequest, earlier: EarlierRun) -> Iterator[Problem]:
    if earlier.record is None:
        return
    csvs = {"val": request.val_csv, "test": request.test_csv}
    for phase, name in _RATIOS.items():
        before, now = earlier.record.split_ratios.get(phase, 0.0), getattr(request, name)
        if csvs[phase] is None and before != now:
            what = f"is {now:g}, and was {before:g} when the run began"
            yield Problem(option(name), what, fix=f"give {option(name)} {before:g}, so that no image changes its split")


def check_same_model(
    checkpoint: "CheckpointContent", where: str, config: Config, spec: "DataSpec", *, other_images: bool
) -> None:
    """Refuse to resume when the configuration or the data would make another model, or the run is over.

    Args:
        checkpoint: where the run goes on.
        where: its path.
        config: the configuration.
        spec: the data.
        other_images: whether the images are not those that the run began with, or may not be.

    Raises:
        CheckpointError: every difference; or the checkpoint is of a finished model.
        ConfigError: the run has trained more epochs than ``num_epochs``.
    """
    from gandlf_synth.models.checkpoint import checkpoint_description, describe_config

    if "loops" not in checkpoint:
        what = "holds a finished model, without the state of its training"
        fix = f"resume without {option('checkpoint')}, or begin a training with {option('init_from')}"
        raise CheckpointError(Problem(where, what, fix=fix))
    saved_model, saved_spec = checkpoint_description(checkpoint)
    now, problems = describe_config(config.model), []
    for key in sorted(set(saved_model) | set(now)):
        if key not in _MODEL_MAY_CHANGE and saved_model.get(key) != now.get(key):
            what = f"was trained with model_config.{key} = {saved_model.get(key)}, which is now {now.get(key)}"
            problems.append(Problem(where, what, fix="restore it, or train a new model in another folder"))
    for key in (*_DATA_FACTS, *(() if other_images else ("dtype",))):
        before, after = getattr(saved_spec, key), getattr(spec, key)
        if before != after:
            what = f"was trained on data with {key} = {before}, which is now {after}"
            problems.append(Problem(where, what, fix="resume with the data that the run began with"))
    raise_if_any(problems, CheckpointError)
    epochs = trained_epochs(checkpoint)
    if config.num_epochs < epochs:
        what = f"is {config.num_epochs}, and the run has trained {epochs} epochs"
        raise ConfigError(Problem("num_epochs", what, f"{epochs} or more; it counts all sessions of the run"))


def keep_whole_batch(config: Config, checkpoint: "CheckpointContent", processes: int) -> tuple[Config, str]:
    """Return the configuration under which all processes together see the batches that the run has seen, and a note.

    A batch size that was written anew is taken as it is.

    Args:
        config: the resolved configuration; its batch size is that of one process.
        checkpoint: where the run goes on.
        processes: those that go on with it.
    """
    state: Any = checkpoint.get(_DATA_STATE, {})
    before, per_process = state.get("processes", processes), state.get("batch_size", config.batch_size)
    if before == processes and per_process == config.batch_size:
        return config, ""
    if config.batch_size not in (state.get("asked_batch_size", config.batch_size), per_process):
        return config, ""
    kept = max(1, round(before * per_process / processes))
    note = (
        f"{before * per_process} images in a step of all processes together, as before: {kept} in each of {processes}"
    )
    if kept * processes != before * per_process:
        note = f"{kept * processes} images in a step of {processes} processes, and {before * per_process} before"
    return config.model_copy(update={"batch_size": kept}), note


def trained_epochs(checkpoint: "CheckpointContent") -> int:
    """Return the epochs that a training had finished when it wrote ``checkpoint``."""
    content: Any = checkpoint
    return int(content["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])


def trained_seconds(checkpoint: "CheckpointContent") -> float:
    """Return the seconds that a run had taken when it wrote ``checkpoint``."""
    states: Any = checkpoint.get("callbacks", {})
    clock = states.get("TimeBudget", {})
    return float(clock.get("prepared", 0.0) + clock.get("trained", 0.0))
