"""Trained models, as objects and as files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gandlf_synth.config import Document, LoadedConfig, load_config, validate
from gandlf_synth.errors import ConfigError, DataError, Problem
from gandlf_synth.files import read_json
from gandlf_synth.provenance import digest

if TYPE_CHECKING:
    from gandlf_synth.data.formats.scan import Scans
    from gandlf_synth.data.loading.spec import DataSpec
    from gandlf_synth.data.processing.pipeline import Pipeline
    from gandlf_synth.data.table.manifest import Manifest, Sample
    from gandlf_synth.diagnostics.verification import FileVerdict
    from gandlf_synth.models.base import GenerativeModule
    from gandlf_synth.synthesis.row_input import RowReader
    from gandlf_synth.synthesis.row_task import RowTask


def load_model(model_dir: Path | str, checkpoint: Path | str | None = None) -> "GenerativeModule":
    """Return the trained model in a folder, with its averaged weights, ready to sample.

    Args:
        model_dir: the model folder.
        checkpoint: the checkpoint; None: the best, else the last. Or the ``adapter.safetensors`` of a model that was
            trained by ``lora`` and started from this one.

    Raises:
        CheckpointError: there is none that can be used.
    """
    from gandlf_synth.model_folder import ModelFolder

    path = ModelFolder(Path(model_dir)).choose_checkpoint(Path(checkpoint) if checkpoint else None)

    from gandlf_synth.models.checkpoint import holds_changes, load_module
    from gandlf_synth.pretrained.changes_file import load_changed

    return load_changed(path, Path(model_dir)) if holds_changes(path) else load_module(path)


def export_model(
    model_dir: Path | str,
    folder: Path | str,
    *,
    formats: Sequence[str] = (),
    checkpoint: Path | str | None = None,
    license: str = "",  # noqa: A002
    evaluation: Path | str | None = None,
) -> list[Path]:
    """Write a trained model as a folder for others, and return the files.

    Args:
        model_dir: the model folder.
        folder: new or empty.
        formats: further forms: bundle, torchscript, onnx.
        checkpoint: the checkpoint; None: the best, else the last.
        license: under which it is handed on, such as ``cc-by-4.0``; empty: that of the model it started from.
        evaluation: what ``evaluate`` wrote, for the card; None: the newest in the model folder that is of this model.

    Raises:
        ConfigError, DataError, CheckpointError, MissingExtraError, ResourceError: see ``exporting.export_package``.
    """
    from gandlf_synth.exporting import export_package
    from gandlf_synth.model_folder import ModelFolder

    module: Any = load_model(model_dir, checkpoint)
    described = _where_described(Path(model_dir), checkpoint)
    return export_package(
        module,
        described,
        Path(folder),
        formats,  # type: ignore[arg-type]
        loaded=configuration_of(None, ModelFolder(described)),
        license_given=license,
        evaluation=Path(evaluation) if evaluation else None,
    )


def _where_described(model_dir: Path, checkpoint: Path | str | None) -> Path:
    """Return the folder whose run record is that of the model: of changes by ``lora`` their own, not the parent's."""
    from gandlf_synth.models.checkpoint import holds_changes

    return Path(checkpoint).parent if checkpoint and holds_changes(Path(checkpoint)) else model_dir


def provenance_of(file: Path | str) -> dict[str, Any]:
    """Return what a file that this program wrote says of its origin: an image, its sidecar, or a checkpoint.

    Raises:
        DataError: it is not there, or says nothing.
    """
    from gandlf_synth.diagnostics.origin import origin_of

    return origin_of(Path(file))


def verify_images(path: Path | str, public_key: Path | str | None = None) -> "list[FileVerdict]":
    """Return whether each synthetic image in a folder, or one file, is still as it was made.

    Args:
        path: an image, its sidecar, or a folder.
        public_key: a file with the Ed25519 key by which all must be signed; None: valid signatures of any key will do.

    Raises:
        ConfigError: the key cannot be used.
        DataError: the path does not exist, or the folder holds no images.
        MissingExtraError: something is signed, and cryptography is not installed.
    """
    from gandlf_synth.diagnostics.verification import verify
    from gandlf_synth.signing import read_public_key

    return verify(Path(path), read_public_key(Path(public_key)) if public_key else None)


def configuration_of(config: Path | None, folder: Any) -> LoadedConfig | None:
    """Return the configuration that is given, else the one that the model in ``folder`` was trained with."""
    if config is not None:
        return load_config(config)
    if folder.resolved_config.is_file():
        return load_config(folder.resolved_config)
    if not folder.exported_config.is_file():
        return None
    content = read_json(folder.exported_config).get("configuration")
    return validate(Document(str(folder.exported_config), content)) if content else None


@dataclass(frozen=True)
class GivenRows:
    """Rows that images are made from.

    Args:
        manifest: the CSV.
        samples: those of its rows that are asked for.
        task: what is made of each.
        pipeline: what their images go through.
        scans: what each of their files holds.
    """

    manifest: "Manifest"
    samples: "Sequence[Sample]"
    task: "RowTask"
    pipeline: "Pipeline"
    scans: "Scans"

    def reader(self, spec: "DataSpec") -> "RowReader":
        """Return what reads a row as a model of ``spec`` takes it."""
        from gandlf_synth.synthesis.row_input import RowReader

        return RowReader(self.manifest, self.pipeline, spec, self.task)

    def record(self) -> dict[str, Any]:
        """Return what tells this request from others."""
        rows = [
            [sample.row, sample.subject, sample.label, dict(sample.extra), *map(str, sample.named_files.values())]
            for sample in self.samples
        ]
        return {"csv": self.manifest.path.name, "digest": digest(rows), "count": len(rows)}


def given_rows(
    csv: Path, spec: "DataSpec", loaded: LoadedConfig | None, model_name: str, only: "frozenset[int] | None" = None
) -> GivenRows:
    """Return the rows that images are to be made of, of which ``only`` may name some.

    Raises:
        ConfigError, DataError: the model cannot use them.
    """
    from gandlf_synth.data.formats.cache_folder import default_cache, writable_cache
    from gandlf_synth.data.formats.scan import scan_files
    from gandlf_synth.data.processing.pipeline import Pipeline, for_phase
    from gandlf_synth.data.table.manifest import read_manifest
    from gandlf_synth.synthesis.row_task import choose_task

    _check_is_table(csv)
    known = dict(zip(spec.labels, spec.class_names, strict=True))
    manifest = read_manifest(csv, needs_images=False).numbered_like(known)
    beyond = sorted(only - {sample.row for sample in manifest.samples}) if only else []
    if beyond:
        raise ConfigError(Problem("--only", f"names row {beyond[0]}", f"1 to {len(manifest.samples)}"))
    asked_for = manifest.subset(sample for sample in manifest.samples if only is None or sample.row in only)
    scans = scan_files([path for sample in asked_for.samples for path in sample.files], writable_cache(default_cache()))
    task = choose_task(asked_for, spec, model_name, scans)
    steps = for_phase((loaded.config.data_preprocessing.of("inference") if loaded else None) or [], "inference")
    # A model of patches takes images of any size, in windows.
    shape = None if loaded is not None and loaded.config.patch_sampler is not None else spec.shape
    pipeline = Pipeline(
        steps, spec.column_channels, shape, keeps_mask=True, source_channels=spec.source_channels,
        keeps_region=task.inpaints,
    )  # fmt: skip
    return GivenRows(manifest, asked_for.samples, task, pipeline, scans)


def given_images(csv: Path, spec: "DataSpec", loaded: LoadedConfig | None) -> "tuple[Manifest, Pipeline]":
    """Return given images, and what they go through before the model sees them."""
    from gandlf_synth.data.processing.pipeline import Pipeline, for_phase
    from gandlf_synth.data.table.manifest import read_manifest

    _check_is_table(csv)
    if loaded is not None and loaded.config.patch_sampler is not None:
        what = "the model was trained on patches, and whole images cannot be compared with them"
        raise ConfigError(Problem("patch_sampler", what))
    manifest = read_manifest(csv).numbered_like(dict(zip(spec.labels, spec.class_names, strict=True)))
    if manifest.num_columns != len(spec.column_channels):
        what = f"has {manifest.num_columns} channel columns, but the model was trained on {len(spec.column_channels)}"
        raise ConfigError(Problem(str(csv), what))
    steps = for_phase((loaded.config.data_preprocessing.of("inference") if loaded else None) or [], "inference")
    return manifest, Pipeline(steps, spec.column_channels, spec.shape)


def _check_is_table(csv: Path) -> None:
    """Refuse a store, whose images are prepared already and have no files of their own.

    Raises:
        DataError: it is one.
    """
    from gandlf_synth.data.formats.shards.index import is_store

    if is_store(csv):
        raise DataError(Problem(str(csv), "is a store", "a CSV", "name the CSV that the store was prepared from"))
