"""Data and training."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gandlf_synth.config import LabelingParadigm

if TYPE_CHECKING:
    from rich.console import Console

    from gandlf_synth.data.table.construct import ConstructReport
    from gandlf_synth.data.table.folder_samples import Endings
    from gandlf_synth.data.table.slide_tiles import TileGrid
    from gandlf_synth.diagnostics.installation import InstallReport
    from gandlf_synth.training.checking import CheckReport
    from gandlf_synth.training.plan import Plan
    from gandlf_synth.training.request import TrainingRequest
    from gandlf_synth.training.run import TrainingResult
    from gandlf_synth.training.store_preparation import PreparationRequest, PreparationResult


def construct_csv(
    input_dir: Path | str,
    endings: "Sequence[str] | Endings | None",
    paradigm: LabelingParadigm,
    output_file: Path | str,
    *,
    relative_paths: bool = False,
    overwrite: bool = False,
    tiles: "TileGrid | None" = None,
    participants: Path | str | None = None,
) -> "ConstructReport":
    """Write the CSV of the images in a folder; see ``data.table.construct.construct_csv``."""
    from gandlf_synth.data.table.construct import construct_csv as construct

    return construct(
        Path(input_dir),
        endings,
        paradigm,
        Path(output_file),
        relative_paths=relative_paths,
        overwrite=overwrite,
        tiles=tiles,
        participants=Path(participants) if participants else None,
    )


def prepare(request: "PreparationRequest", console: "Console | None" = None) -> "PreparationResult":
    """Preprocess the images of a CSV into a store, or one task's share of it; see ``training.store_preparation``.

    Args:
        request: the configuration, the CSV, and where the store goes.
        console: where progress is shown; None: nowhere.

    Raises:
        ConfigError, DataError, ResourceError: see ``errors``.

    >>> from gandlf_synth.training.store_preparation import PreparationRequest
    >>> prepare(PreparationRequest("missing.yaml", "data.csv", "store"))
    Traceback (most recent call last):
        ...
    gandlf_synth.errors.ConfigError: missing.yaml: cannot be read: No such file or directory
    """
    from gandlf_synth.display.console import silent_console
    from gandlf_synth.training.store_preparation import prepare_store

    return prepare_store(request, console or silent_console())


def train(request: "TrainingRequest", console: "Console | None" = None) -> "TrainingResult":
    """Train a model, and return where it is and how training ended.

    Everything that can be wrong is found before anything in the model folder is touched.

    Args:
        request: the configuration, the CSVs and the model folder.
        console: where progress is shown; None: nowhere.

    Raises:
        ConfigError, DataError, CheckpointError, ResourceError: see ``errors``.

    >>> from gandlf_synth import TrainingRequest, train
    >>> train(TrainingRequest("missing.yaml", "data.csv", "model"))
    Traceback (most recent call last):
        ...
    gandlf_synth.errors.ConfigError: missing.yaml: cannot be read: No such file or directory
    """
    from gandlf_synth.display.console import silent_console
    from gandlf_synth.training.run import run_training

    return run_training(request, console or silent_console())


def plan_training(request: "TrainingRequest", console: "Console | None" = None) -> "Plan":
    """Return what ``train`` would do: every automatic choice with its reason; writes nothing into the model folder."""
    from gandlf_synth.display.console import silent_console
    from gandlf_synth.training.run_plan import plan_training as plan

    return plan(request, console or silent_console()).plan


def check(request: "TrainingRequest", console: "Console | None" = None, *, fast: bool = False) -> "CheckReport":
    """Return everything that can be known of a run before it begins, errors and warnings alike.

    Args:
        request: what ``train`` would get.
        console: where progress is shown; None: nowhere.
        fast: leave out the search for duplicates and the trial steps.

    >>> from gandlf_synth import TrainingRequest, check
    >>> from gandlf_synth.config import parse_document
    >>> config = parse_document("model_config: {model_name: ddpm}", "config.yaml")
    >>> report = check(TrainingRequest(config, "missing.csv", "model"), fast=True)
    >>> report.stops_a_run, [finding.kind for finding in report.findings]
    (True, ['CSV'])
    """
    from gandlf_synth.display.console import silent_console
    from gandlf_synth.training.checking import check_run

    return check_run(request, console or silent_console(), fast=fast)


def preview(
    request: "TrainingRequest", folder: Path | str, console: "Console | None" = None, *, count: int = 6
) -> Path:
    """Write a picture of what the network will see, and return it; see ``training.preview.preview``."""
    from gandlf_synth.display.console import silent_console
    from gandlf_synth.training.preview import preview as show

    return show(request, Path(folder), console or silent_console(), count=count)


def verify_install() -> "InstallReport":
    """Run one real training step on every kind of device; see ``diagnostics.installation``."""
    from gandlf_synth.diagnostics.installation import verify

    return verify()


def installation() -> dict[str, dict[str, str]]:
    """Return versions, devices, extras and the cache, in words; see ``diagnostics.installation``."""
    from gandlf_synth.diagnostics.installation import installation as look

    return look()
