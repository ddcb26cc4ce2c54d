"""From checked manifests to data that a model can be trained on, and the facts that the model keeps of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gandlf_synth.config import Config, Phase, Step, resolved
from gandlf_synth.config.size import bytes_of
from gandlf_synth.data.formats.cache_folder import writable_cache
from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.loading.cache import shrink
from gandlf_synth.data.loading.conditioners import ConditionPart, fit_conditioners, images_read
from gandlf_synth.data.loading.conditioning.row_checks import check_before_fit, check_rows, check_sources
from gandlf_synth.data.loading.patches import Patches
from gandlf_synth.data.loading.prepared import PreparedSamples
from gandlf_synth.data.loading.spec import DataSpec
from gandlf_synth.data.loading.store import prepare
from gandlf_synth.data.loading.value_range import ValueRange, fit_value_range
from gandlf_synth.data.processing.pipeline import Pipeline, for_phase
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.data.table.stored_manifest import StoredManifest
from gandlf_synth.errors import DataError, Problem, listing, raise_if_any
from gandlf_synth.geometry import without_shear
from gandlf_synth.launcher import usable_cores
from gandlf_synth.progress import Progress
from gandlf_synth.training.stored_data import check_kept, stored_samples

if TYPE_CHECKING:
    from gandlf_synth.data.loading.datamodule import SynthesisDataModule

_SHOWN = 20


@dataclass(frozen=True)
class TrainingData:
    """The splits, preprocessed.

    Args:
        manifests: the rows of each phase.
        samples: the prepared samples of each phase.
        value_range: the map to [-1, 1], from the training split.
        spec: what the model keeps.
    """

    manifests: Mapping[Phase, Manifest]
    samples: Mapping[Phase, PreparedSamples]
    value_range: ValueRange
    spec: DataSpec

    def first(self, count: int) -> "TrainingData":
        """Return the first ``count`` samples of training, and nothing else."""
        train = self.manifests["train"]
        manifest = train.subset(train.samples[:count])
        return replace(self, manifests={"train": manifest}, samples={"train": self.samples["train"].first(count)})

    def as_known(self, spec: DataSpec) -> "TrainingData":
        """Return the data as a trained model knows it: on its value range and with its facts."""
        return replace(self, spec=spec, value_range=ValueRange.with_sources(spec))

    def loaders(self, config: Config, workers: int, asked: int | None = None) -> "SynthesisDataModule":
        """Return what reads the batches of every phase.

        Args:
            config: the resolved configuration.
            workers: processes for batches that are not cut from memory.
            asked: the batch size as the configuration has it; None: that of ``config``.
        """
        from functools import partial

        from gandlf_synth.data.loading.datamodule import Split, SynthesisDataModule

        kind: Callable[..., SynthesisDataModule] = SynthesisDataModule
        if config.privacy is not None:
            from gandlf_synth.training.privacy.batches import PrivateDataModule
            from gandlf_synth.training.privacy.plan import PrivacyPlan

            plan = PrivacyPlan.of(config, self.manifests["train"].num_subjects)
            kind = partial(PrivateDataModule, plan=plan)
        return kind(
            {phase: Split(manifest, self.samples[phase]) for phase, manifest in self.manifests.items()},
            self.value_range,
            self.spec,
            config.data_augmentation.train or [],
            {phase: config.dataloader_config.of(phase) for phase in self.manifests},
            resolved(config.batch_size),
            workers,
            config.seed,
            patches_of(config),
            0 if config.data_store.shuffle_window == "auto" else config.data_store.shuffle_window,
            asked,
        )


def loader_workers() -> int:
    """Return the number of worker processes for batches that are not cut from memory: most of this process's cores."""
    return max(1, min(8, usable_cores() - 1))


def prepare_data(
    manifests: Mapping[Phase, Manifest],
    scans: Scans,
    config: Config,
    data: Fingerprint,
    cache: Path,
    progress: Progress,
) -> TrainingData:
    """Preprocess every split as the resolved ``config`` says, with what the cache holds already.

    Raises:
        DataError: every sample to which a step cannot be applied.
    """
    patches, parts = patches_of(config), conditions_of(config, data, manifests["train"])
    looked_at = images_read(parts)
    shape = None if patches else tuple(resolved(config.model.tensor_shape))
    if isinstance(manifests["train"], StoredManifest):
        check_kept(config, data, manifests["train"])
    samples: dict[Phase, PreparedSamples] = {}
    for phase, manifest in manifests.items():
        steps = for_phase(config.data_preprocessing.of(phase) or [], phase)
        pipeline = Pipeline(
            steps, data.column_channels, shape,
            keeps_mask="mask" in looked_at or bool(patches and patches.weighted),
            source_channels=data.source_channels if "sources" in looked_at else (),
            keeps_region="region" in looked_at,
        )  # fmt: skip
        if patches:
            raise_if_any(_without_mask(manifest, patches), DataError)
        if isinstance(manifest, StoredManifest):
            samples[phase] = stored_samples(manifest, config, with_sources="sources" in looked_at)
        else:
            samples[phase] = prepare(manifest, pipeline, cache, progress, scans)
        if patches:
            raise_if_any(_too_small(manifest, samples[phase], patches), DataError)
    if config.cache_size is not None:
        shrink(writable_cache(cache), bytes_of(config.cache_size))
    value_range = fit_value_range(samples["train"])
    spec = _describe(config, data, manifests["train"], samples["train"], value_range, parts)
    return TrainingData(manifests, samples, value_range, spec)


def patches_of(config: Config) -> Patches | None:
    """Return how patches are drawn, or None where the network sees whole images."""
    sampler = config.patch_sampler
    if sampler is None:
        return None
    return Patches(tuple(resolved(config.model.tensor_shape)), sampler.patches_per_volume, sampler.name == "weighted")


def _without_mask(manifest: Manifest, patches: Patches) -> list[Problem]:
    bare = np.flatnonzero(~manifest.presence.masks).tolist() if patches.weighted else []
    if not bare:
        return []
    rows = [str(manifest.samples[place].row) for place in bare]
    what = f"has no mask in row {listing(rows)}, and patch_sampler: weighted takes patches from around the mask"
    return [Problem(str(manifest.path), what, fix="add a Mask column, or use patch_sampler: uniform")]


def _too_small(manifest: Manifest, samples: PreparedSamples, patches: Patches) -> list[Problem]:
    grids = samples.column("shape")
    problems = []
    for place in np.flatnonzero((grids < np.array(patches.shape)).any(axis=1))[:_SHOWN]:
        what = f"is {'×'.join(map(str, grids[place]))} after preprocessing, smaller than a patch"
        fix = "a smaller tensor_shape, or pad with crop_or_pad in data_preprocessing"
        where, allowed = manifest.where(manifest.samples[place], 0), "×".join(map(str, patches.shape)) + " or more"
        problems.append(Problem(where, what, allowed, fix))
    return problems


def _describe(
    config: Config,
    data: Fingerprint,
    train: Manifest,
    samples: PreparedSamples,
    value_range: ValueRange,
    parts: tuple[ConditionPart, ...],
) -> DataSpec:
    count = data.num_channels
    sources = data.source_channels if samples.num_channels > count else ()
    labels = train.labels if config.model.labeling_paradigm != "unlabeled" else {}
    return DataSpec(
        spatial_dims=data.spatial_dims,
        num_channels=data.num_channels,
        shape=tuple(resolved(config.model.tensor_shape)),
        affine=_typical_affine(samples),
        physical=data.physical,
        modality=resolved(config.modality),
        paradigm=resolved(config.model.labeling_paradigm),
        labels=tuple(labels),
        class_names=tuple(labels.values()),
        low=value_range.file_values(samples, -1.0)[:count],
        high=value_range.file_values(samples, 1.0)[:count],
        range_scale=tuple(value_range.scale[:count].tolist()),
        range_offset=tuple(value_range.offset[:count].tolist()),
        dtype=data.dtype,
        column_channels=data.column_channels,
        column_names=data.column_names,
        column_modalities=data.modalities,
        conditions=parts,
        source_channels=sources,
        source_names=data.source_names if sources else (),
        source_scale=tuple(value_range.scale[count:].tolist()),
        source_offset=tuple(value_range.offset[count:].tolist()),
    )


def conditions_of(config: Config, data: Fingerprint, train: Manifest) -> tuple[ConditionPart, ...]:
    """Return what the model is conditioned on besides the class, which has its labels in the data facts.

    Raises:
        DataError: the data has not what a conditioner needs.
    """
    return fit_conditioners(_conditioners(config), train, data)


def check_conditions(config: Config, manifests: Mapping[Phase, Manifest], scans: Scans, data: Fingerprint) -> None:
    """Check that every row of every split has what the model is conditioned on, if anything.

    Raises:
        DataError: every row that cannot be used, or the data has not what a conditioner needs.
    """
    check_before_fit(list(manifests.values()), _conditioners(config), scans)
    parts = conditions_of(config, data, manifests["train"])
    model = config.model
    for manifest in manifests.values():
        check_rows(manifest, parts, scans)
        if model.required_kind == "channels" and not model.compares_sides:
            check_sources(manifest, parts)


def _conditioners(config: Config) -> list[Step]:
    return [step for step in config.model.conditioning if step.name.lower() != "class"]


def _typical_affine(samples: PreparedSamples) -> tuple[tuple[float, ...], ...]:
    """Return the median of the training grids' affines, or the first where their axes run differently.

    The median of turned axes leans, which no scanner's grid does and DICOM cannot hold: it is straightened.
    """
    affines = samples.column("affine")
    _, examples = np.unique(affines[:, :3, :3].reshape(len(affines), -1), axis=0, return_index=True)
    same = len({samples.grid(int(place)).orientation for place in examples}) == 1
    affine = np.median(affines, axis=0) if same else affines[0]
    if same and len(examples) > 1:
        affine = without_shear(affine)
    return tuple(tuple(row) for row in affine.tolist())
