"""This project's loaders, made the way that training makes them."""

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from ruamel.yaml import YAML

from gandlf_synth.config import parse_document
from gandlf_synth.data.formats.scan import Scans
from gandlf_synth.data.inspection.fingerprint import Fingerprint
from gandlf_synth.data.loading.datamodule import SynthesisDataModule
from gandlf_synth.data.table.manifest import Manifest
from gandlf_synth.progress import no_progress
from gandlf_synth.training.data import TrainingData, loader_workers, prepare_data
from gandlf_synth.training.plan import Plan
from gandlf_synth.training.request import TrainingRequest
from gandlf_synth.training.run_plan import plan_run


@dataclass(frozen=True)
class Planned:
    """A run before its data is prepared."""

    manifest: Manifest
    scans: Scans
    facts: Fingerprint
    plan: Plan

    def prepare(self, cache: Path) -> TrainingData:
        """Preprocess what ``cache`` does not hold."""
        return prepare_data({"train": self.manifest}, self.scans, self.plan.config, self.facts, cache, no_progress)

    def datamodule(self, data: TrainingData) -> SynthesisDataModule:
        """Return the loaders that training would use."""
        return data.loaders(self.plan.config, loader_workers())


def planned(configuration: dict[str, Any], csv: Path, cache: Path) -> Planned:
    """Read, scan and plan as ``gandlf-synth train`` does."""
    text = StringIO()
    YAML().dump({**configuration, "cache_dir": str(cache)}, text)
    request = TrainingRequest(parse_document(text.getvalue(), "benchmark"), csv, Path("model"))
    run = plan_run(request, Console(quiet=True))
    return Planned(run.splits["train"], run.scans, run.facts, run.plan)
